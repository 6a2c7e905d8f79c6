"""SOC 2: the AICPA's Trust Services Criteria, as far as secrets have to do with them."""

from typing import Final

from holdfast.domain.compliance import Control, Framework

SOC2: Final = Framework(
    id="soc2",
    title="SOC 2",
    edition="Trust Services Criteria 2017, revised points of focus 2022",
    controls=(
        Control(
            number="CC6.1",
            title="Logical access",
            asks="Who may use protected information is restricted; the information and its keys are protected.",
            evidence=("access", "identities", "tokens", "sealed", "keys"),
            yours="an inventory of the systems outside Holdfast in which the same credentials are stored.",
        ),
        Control(
            number="CC6.2",
            title="Registration of users",
            asks="People and programs are registered before they get credentials, and lose them in time.",
            evidence=("identities", "tokens", "second-factor"),
            yours="that joining and leaving staff are reported to whoever keeps the identities.",
        ),
        Control(
            number="CC6.3",
            title="Least privilege and separation of duties",
            asks="Access follows from roles and duties, is the least that suffices, and is changed when those change.",
            evidence=("access", "changes"),
            yours="who decided about each grant, and that grants are reviewed.",
        ),
        Control(
            number="CC6.6",
            title="Threats from outside",
            asks="Access across the boundary of the system is authenticated and guarded.",
            evidence=("second-factor", "tokens", "refusals", "transport", "break-glass"),
            yours="firewalls, network segments, and protection of the machines.",
        ),
        Control(
            number="CC6.7",
            title="Transmission and removal",
            asks="Information is protected while it is sent, moved and removed.",
            evidence=("transport", "sealed", "backup", "removal"),
            yours="how backups and media are stored, carried and destroyed.",
        ),
        Control(
            number="CC7.2",
            title="Monitoring",
            asks="The system is watched for anomalies, and those are analysed.",
            evidence=("refusals", "trail", "verification", "checkpoints", "reviews", "notices"),
            yours="who receives alerts and that they are acted on.",
        ),
        Control(
            number="CC7.3",
            title="Evaluation of events",
            asks="Security events are evaluated: whether they are failures to meet objectives, and what is done then.",
            evidence=("refusals", "reviews", "break-glass"),
            yours="records of incidents and how each was judged.",
        ),
        Control(
            number="CC8.1",
            title="Change management",
            asks="Changes are authorised, tracked and carried out in an orderly way.",
            evidence=("changes", "rotation", "rotations"),
            yours="tickets or approvals for changes, as far as rotations were not approved here.",
        ),
        Control(
            number="A1.2",
            title="Backup and recovery",
            asks="Data is backed up, and what recovery needs is in place.",
            evidence=("backup", "replication"),
            yours="that restoring was tried, and how long it took.",
        ),
        Control(
            number="C1.2",
            title="Disposal of confidential information",
            asks="Confidential information is disposed of when its time is over.",
            evidence=("removal", "expiry"),
            yours="how long which information is to be kept.",
        ),
    ),
)
