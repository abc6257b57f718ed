"""Do the servers that the desk relies on take us: mail, webhooks, OpenID provider, syslog? Nobody is sent anything."""

import asyncio
from collections.abc import Iterator, Sequence

from services.admin.access.oidc.settings import OidcSettings
from services.admin.audit_messages.settings import SyslogSettings
from services.admin.audit_messages.syslog import Syslog
from services.admin.notices import channels
from services.admin.notices.channels import NotSent
from services.admin.notices.contact import Contact
from services.admin.notices.kinds import plain
from services.admin.notices.settings import NoticeSettings
from services.admin.verification_finding import Finding, found
from services.runtime.errors import Unavailable, UsageError
from services.runtime.settings import RuntimeSettings


async def verify_desk_servers(contacts: Sequence[Contact]) -> list[Finding]:
    """Try those that are configured, all at once. Never raises a ``GatewayError``."""
    told = [contact for contact in contacts if contact.enabled]
    webhooks = (found(f"webhook {each.name}", _webhook(each.name, each.webhook)) for each in told if each.webhook)
    mailed = [each.name for each in told if each.mails]
    tried = await asyncio.gather(
        found("mail", _mail(mailed)), *webhooks, found("provider", _provider()), found("syslog", _syslog())
    )
    return [*tried, *(_links() if told else ())]


def _links() -> Iterator[Finding]:
    """Where the links of notices lead; nothing if the settings are wrong, which is found for mail."""
    try:
        address, settings = NoticeSettings.load().desk_url, RuntimeSettings.load()
    except UsageError:
        return
    if address:
        yield Finding("links", "ok", f"of notices lead to {address}")
    else:
        here = f"http://{settings.http_host}:{settings.http_port}"
        cure = "set GATEWAY_NOTICES_DESK_URL to the address by which people open the desk"
        yield Finding("links", "warning", f"of notices lead to {here}: {cure}")


async def _mail(contacts: Sequence[str]) -> str:
    settings = NoticeSettings.load()
    if not settings.smtp_host and contacts:
        raise UsageError(
            f"contact {contacts[0]} is told by mail, and no mail server is configured: set "
            "GATEWAY_NOTICES_SMTP_HOST and GATEWAY_NOTICES_SMTP_FROM"
        )
    if not settings.smtp_host:
        return "off: GATEWAY_NOTICES_SMTP_HOST is not set"
    await channels.reach_mail_server(settings)
    login = f", takes the login of {settings.smtp_user}" if settings.smtp_user else ""
    return f"{settings.smtp_host}:{settings.port} answers ({settings.smtp_security}){login}"


async def _webhook(contact: str, url: str) -> str:
    try:
        place = await channels.reach_webhook(NoticeSettings.load(), url)
    except NotSent as error:
        raise Unavailable(f"{error}; check it: 'gateway notices set {contact} --webhook URL'") from error
    return f"{place} answers; 'gateway notices test {contact}' posts a test there"


async def _provider() -> str:
    settings = OidcSettings.load()
    if not settings.issuer:
        return "off: GATEWAY_ADMIN_OIDC_ISSUER is not set"
    from services.admin.access.oidc.provider import Provider  # its libraries take a while to load

    try:
        await Provider(settings).reach()
    except Unavailable as error:
        cause = f" ({plain(error.__cause__)})" if error.__cause__ else ""
        raise Unavailable(
            f"GATEWAY_ADMIN_OIDC_ISSUER {settings.issuer}: {error}{cause}; write it as the provider's discovery "
            "document does; where a CA of your own signed its certificate, name that with GATEWAY_ADMIN_OIDC_CA_FILE"
        ) from error
    return f"{settings.issuer} answers; whether it knows client {settings.client_id} a login shows"


async def _syslog() -> str:
    settings = SyslogSettings.load()
    if not settings.host:
        return "off: GATEWAY_ADMIN_SYSLOG_HOST is not set"
    syslog = Syslog(settings.host, settings.port, settings.context())
    try:
        await syslog.open()
    except Unavailable as error:
        raise Unavailable(
            f"GATEWAY_ADMIN_SYSLOG_HOST {settings.host}, …_PORT {settings.port}: {error}; write the host as its "
            "certificate does, name who signed that with GATEWAY_ADMIN_SYSLOG_CA_FILE, and, where it wants to know who "
            "sends, our own with GATEWAY_ADMIN_SYSLOG_CERTIFICATE_FILE and …_KEY_FILE"
        ) from error
    finally:
        syslog.close()
    return f"{syslog.name} takes audit messages over TLS"
