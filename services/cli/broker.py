"""``gateway broker-definitions``."""

import typer

from services.cli.output import print_json
from services.runtime.broker_definitions import definitions, users_of, virtual_host
from services.runtime.settings import RuntimeSettings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("broker-definitions")(broker_definitions)


def broker_definitions() -> None:
    """Print what RabbitMQ has to import: exchanges, queues, bindings, and the users that GATEWAY_<SERVICE>_AMQP_URL
    name with their permissions. The virtual host is that of GATEWAY_AMQP_URL."""
    settings = RuntimeSettings.load()
    users = users_of(settings.own_urls("amqp_url"), settings.amqp_url)
    print_json(definitions(virtual_host(settings.amqp_url), users))
