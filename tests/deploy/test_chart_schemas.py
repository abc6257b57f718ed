"""What the chart renders is what Kubernetes takes: by the schemas of three versions."""

import functools
from collections.abc import Iterator

import kubernetes_validate
import pytest
from kubernetes_validate import utils

from tests.deploy.charts import rendered
from tests.deploy.test_custom_resources import different

KUBERNETES = ("1.29", "1.33", "1.37")
"""The oldest that Chart.yaml allows, one between, and the newest there are schemas of."""


@pytest.fixture
def read_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The schemas of a version are one large file, which is otherwise read for each object."""
    with monkeypatch.context() as patch:
        patch.setattr(utils, "schema_contents", functools.cache(utils.schema_contents))
        yield


@pytest.mark.usefixtures("read_once")
@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_knows_every_field(version: str) -> None:
    """Strictly: a field too many is a fault."""
    for each in different(custom=False):
        assert kubernetes_validate.validate(each, version, strict=True) == version, each["metadata"]["name"]


def test_a_field_that_does_not_exist_is_seen() -> None:
    (job,) = [each for each in rendered("s3") if each["kind"] == "Job"]
    with pytest.raises(kubernetes_validate.ValidationError, match="backofLimit"):
        kubernetes_validate.validate(job | {"spec": job["spec"] | {"backofLimit": 1}}, KUBERNETES[0], strict=True)
