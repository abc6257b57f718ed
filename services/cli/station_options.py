"""The options of ``gateway station add`` and ``set``: what each is for, as ``--help`` says it."""

from typing import Annotated, Literal

import typer

Title = Annotated[str, typer.Argument(help="AE title: 1 to 16 printable ASCII characters, no backslash.")]
Host = Annotated[str | None, typer.Option(help="Host name or IP address.")]
Port = Annotated[int | None, typer.Option(help="TCP port it listens on, 1 to 65535.")]
Description = Annotated[str | None, typer.Option(help="Free text, one line.")]
Enabled = Annotated[bool | None, typer.Option("--enabled/--disabled", help="Whether it may call and be sent to.")]
Store = Annotated[bool | None, typer.Option("--store/--no-store", help="Instances may be sent to it.")]
QueryRetrieve = Annotated[
    bool | None, typer.Option("--query-retrieve/--no-query-retrieve", help="It may be queried and retrieved from.")
]
Prefilter = Annotated[bool | None, typer.Option("--prefilter/--no-prefilter", help="Queries to it need a filter.")]
PetRaw = Annotated[bool | None, typer.Option("--pet-raw/--no-pet-raw", help="It takes PET raw data; only one may.")]
CommitServer = Annotated[
    bool | None, typer.Option("--commit-server/--no-commit-server", help="It answers storage commitment requests.")
]
CommitOn = Annotated[str | None, typer.Option(help='Commit server that is asked about it; "" for none.')]
Address = Annotated[
    list[str] | None, typer.Option(metavar="CIDR", help='Network it calls from; may be repeated; "" for none.')
]
RevisionPolicy = Annotated[
    Literal["route", "keep", "hold", "refuse"] | None,
    typer.Option(help="What happens to an instance it sends again with other content."),
]
Associations = Annotated[int | None, typer.Option(help="Outgoing associations at a time, 1 to 16.")]
UnknownPolicy = Annotated[
    Literal["resend", "hold"] | None, typer.Option(help="What happens to a delivery whose answer was lost.")
]
RetryHours = Annotated[int | None, typer.Option(help="How long a delivery is tried, 1 to 720 hours.")]
RefuseFindings = Annotated[
    bool | None,
    typer.Option("--refuse-findings/--no-refuse-findings", help="What it sends against its IOD is refused."),
]
ReduceLevel1 = Annotated[
    bool | None,
    typer.Option("--reduce-level-1/--no-reduce-level-1", help="Of level 1 classes it gets only what R92 keeps."),
]
MoveDestination = Annotated[
    list[str] | None,
    typer.Option(metavar="AET", help='Where it may have C-MOVE send to; may be repeated; "" for anywhere.'),
]
StoreSeconds = Annotated[int | None, typer.Option(help="Longest wait for a C-STORE response; 0: the profile's.")]
FindSeconds = Annotated[int | None, typer.Option(help="Longest wait for a C-FIND response; 0: the profile's.")]
MoveSeconds = Annotated[int | None, typer.Option(help="Longest wait for a C-MOVE response; 0: the profile's.")]
ActionSeconds = Annotated[int | None, typer.Option(help="Longest wait for an N-ACTION response; 0: the profile's.")]

CommitLimitSeconds = Annotated[
    int | None, typer.Option(help="How long it may take to report a commitment; 0: the setting's (24 hours).")
]
CommitQuietSeconds = Annotated[
    int | None, typer.Option(help="From the last delivery of a study to its request; -1: the setting's.")
]
CommitRetryHours = Annotated[
    int | None, typer.Option(help="How long a request is tried while it cannot be reached; 0: the setting's.")
]
CommitSize = Annotated[int | None, typer.Option(help="Instances in one commitment request; 0: the whole study.")]
ReportTitle = Annotated[
    list[str] | None,
    typer.Option(metavar="AET", help='What else its commitment reports come from; may be repeated; "" for none.'),
]
CommitDownstream = Annotated[
    list[str] | None,
    typer.Option(
        metavar="AET",
        help='Archive that must have committed what it asks us to commit; may be repeated; "" for none.',
    ),
]
RetryStatus = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CODE", help='Failure after which it is tried again: 0110, A7xx; may be repeated; "" for none.'
    ),
]
RetryError = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ERROR", help='unreachable, rejected or broken-off: tried again after it; may be repeated; "" for none.'
    ),
]
RetryFirstSeconds = Annotated[int | None, typer.Option(help="Longest wait before a second attempt (1).")]
RetryFactor = Annotated[float | None, typer.Option(help="How many times as long each further wait is (2).")]
RetryMostSeconds = Annotated[int | None, typer.Option(help="Longest wait of all (300).")]
RetryAttempts = Annotated[
    int | None, typer.Option(help="How often a delivery is tried; 0: as often as the hours allow.")
]
InstancesPerSecond = Annotated[float | None, typer.Option(help="It is sent no more of them; 0: no limit.")]
MegabytesPerSecond = Annotated[float | None, typer.Option(help="It is sent no more of them; 0: no limit.")]
IdleSeconds = Annotated[
    int | None, typer.Option(help="An association without work stays open so long; -1: as the setting says.")
]
FailoverStation = Annotated[
    str | None,
    typer.Option("--failover", metavar="AET", help='Where what waits for it goes when it is away; "": it waits.'),
]
FailoverSeconds = Annotated[int | None, typer.Option(help="How long its circuit is open before that (600).")]
BalanceWith = Annotated[
    list[str] | None,
    typer.Option(metavar="AET", help='Shares what rules send to it, each study to one; may be repeated; "" for none.'),
]
Order = Annotated[
    Literal["oldest", "newest"] | None,
    typer.Option(help="What goes first of what waits for it with one priority, such as after an outage (oldest)."),
]
Schedule = Annotated[
    list[str] | None,
    typer.Option(
        metavar="WINDOW",
        help="It is sent to only then: 'mon-fri 18:00-06:00 Europe/Zurich'; may be repeated; \"\": at any time.",
    ),
]
AssociationInstances = Annotated[int | None, typer.Option(help="Instances sent over one association; 0: any number.")]
RetentionDays = Annotated[
    int | None, typer.Option(help="Days that what it sends is kept; 0: for ever; -1: as the setting says.")
]
Reconcile = Annotated[
    bool | None,
    typer.Option("--reconcile/--no-reconcile", help="Compare every night what it was sent with what it has."),
]
CompleteOnRelease = Annotated[
    bool | None,
    typer.Option(
        "--complete-on-release/--no-complete-on-release",
        help="A study that it sends is complete once it has released its associations, before the quiet time.",
    ),
]

SkipPresent = Annotated[
    bool | None,
    typer.Option("--skip-present/--send-present", help="Ask it by C-FIND what it has, and do not send that."),
]

PullMinutes = Annotated[
    int | None, typer.Option(help="So often it is asked for studies that are not here, which are retrieved; 0: never.")
]
PullDays = Annotated[int | None, typer.Option(help="Only studies of so many days (1).")]
PullModality = Annotated[
    list[str] | None, typer.Option(metavar="NM", help='Only studies with it; may be repeated; "" for all.')
]
Tls = Annotated[bool | None, typer.Option("--tls/--no-tls", help="It is called by TLS (GATEWAY_TLS_CERTIFICATE).")]
Certificate = Annotated[
    list[str] | None,
    typer.Option(
        metavar="BINDING",
        help="What it presents, and calls with over TLS only: 'sha256:…' (fingerprint), 'subject:CN=…' or 'san:NAME'; "
        'may be repeated; "": any that names its host.',
    ),
]
Service = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help='What it may ask for: echo, store, find, move, get or commitment; may be repeated; "": everything.',
    ),
]
SopClass = Annotated[
    list[str] | None,
    typer.Option(metavar="UID", help='Storage class that passes on its associations; may be repeated; "": all.'),
]
SilentHours = Annotated[
    int | None, typer.Option(help="A notice is sent when nothing came from it for so many hours, 1 to 720; 0: never.")
]
