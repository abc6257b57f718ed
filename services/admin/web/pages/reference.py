"""What the API can do, from what it says of itself."""

from collections import defaultdict
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.admin.web.asking import Viewer
from services.admin.web.openapi import described, operations
from services.admin.web.rendering import page

router: Final = APIRouter(prefix="/api")


@router.get("")
async def reference(request: Request, principal: Viewer) -> Response:
    """Every operation by its kind, and every schema."""
    document = described(request.app)
    kinds: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for path, method, operation in operations(document):
        told = {"path": path, "method": method.upper(), "body": body_of(operation), "answer": answer_of(operation)}
        kinds[operation.get("tags", ["other"])[0]].append(operation | told)
    schemas = {name: fields_of(each) for name, each in document["components"]["schemas"].items() if shown(name)}
    return page(request, "api.html", kinds=dict(kinds), schemas=schemas)


def shown(name: str) -> bool:
    """Whether a schema is one that programs meet (pure)."""
    return name not in ("HTTPValidationError", "ValidationError") and not name.startswith(("Body_", "Listed_"))


def body_of(operation: dict[str, Any]) -> str:
    """What is sent (pure)."""
    content = operation.get("requestBody", {}).get("content", {})
    return ", ".join(kind_of(each.get("schema", {})) for each in content.values())


def answer_of(operation: dict[str, Any]) -> str:
    """What is answered when it is done (pure)."""
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            content = response.get("content", {})
            return ", ".join(kind_of(each.get("schema", {})) or kind for kind, each in content.items())
    return ""


def fields_of(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The fields of a schema (pure)."""
    needed = schema.get("required", [])
    return [
        {"name": name, "kind": kind_of(each), "needed": name in needed, "text": each.get("description", "")}
        for name, each in schema.get("properties", {}).items()
    ]


def kind_of(schema: dict[str, Any]) -> str:
    """A schema in a word (pure)."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"list of {name[7:-1]}, with next" if name.startswith("Listed_") else name
    if "anyOf" in schema:
        return " or ".join(kind_of(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {kind_of(schema.get('items', {})) or 'anything'}"
    return str(schema.get("format") or schema.get("type") or "")
