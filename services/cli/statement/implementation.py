"""PS3.2 A.4.1: the implementation model."""

from services.cli.statement.document import Section, Table

_FLOW = (
    ("Receive", "a peer sends with C-STORE", "the object is written, made durable, answered, recorded and indexed"),
    ("Route", "an instance was recorded", "rules choose stations; each gets a job"),
    ("Send", "a delivery is due", "C-STORE to the station"),
    ("Answer", "a peer asks with C-ECHO, C-FIND, C-MOVE or C-GET", "from the query tables and the stored objects"),
    ("Ask for commitment", "a study was sent", "N-ACTION to the station that commits to it"),
    ("Take a report", "a peer reports with N-EVENT-REPORT", "it is made durable and answered; instances are flagged"),
    (
        "Commit",
        "a peer asks with N-ACTION (profile gateway)",
        "it is made durable and answered; decided, then reported",
    ),
    ("Verify", "gateway station echo", "C-ECHO to the station"),
)


def implementation_model() -> Section:
    """Data flow, functional definition, sequencing."""
    return Section(
        "Implementation model",
        (),
        (
            Section(
                "Application data flow",
                (Table("Real-world activities", ("Activity", "Begun by", "What happens"), _FLOW),),
            ),
            Section(
                "Functional definition of the AE",
                (
                    "Receiving processes share one listening socket; each association is served by one thread, one "
                    "message after the other. Receiving needs neither the database nor the broker, only the "
                    "configuration it was last given. Sending has its own queue, limits and circuit breaker for "
                    "each station.",
                    "The AE makes no objects itself: it sends on what it received (R7, R9).",
                ),
            ),
            Section(
                "Sequencing of real-world activities",
                (
                    "An instance is routed after it was recorded; instance rules at once, study rules when the "
                    "study has been quiet for its time. Revisions of one instance go to a station in their order "
                    "(R13). Commitment is asked after sending, a study and a destination at a time (R71, R74).",
                ),
            ),
        ),
    )
