"""ISO/IEC 27001, Annex A, as far as secrets have to do with it."""

from typing import Final

from holdfast.domain.compliance import Control, Framework

ISO27001: Final = Framework(
    id="iso27001",
    title="ISO/IEC 27001",
    edition="2022, Annex A",
    controls=(
        Control(
            number="A.5.15",
            title="Access control",
            asks="Rules for access to information are set by need, and enforced.",
            evidence=("access", "refusals"),
            yours="the written policy that the rules follow from.",
        ),
        Control(
            number="A.5.16",
            title="Identity management",
            asks="The whole life of identities is managed.",
            evidence=("identities",),
            yours="that each identity belongs to one person or program known to you.",
        ),
        Control(
            number="A.5.17",
            title="Authentication information",
            asks="Secrets for authentication are handed out and kept by a managed process.",
            evidence=("tokens", "second-factor", "sealed", "rotation", "value-ages"),
            yours="how people are told to treat what they authenticate with.",
        ),
        Control(
            number="A.5.18",
            title="Access rights",
            asks="Rights are given, reviewed, changed and taken away according to the policy.",
            evidence=("access", "changes", "reviews", "break-glass"),
            yours="records of the reviews.",
        ),
        Control(
            number="A.5.28",
            title="Collection of evidence",
            asks="Evidence of events can be collected and kept unaltered.",
            evidence=("trail", "verification", "checkpoints"),
            yours="where exported checkpoints are kept, out of reach of whoever runs the database.",
        ),
        Control(
            number="A.8.2",
            title="Privileged access rights",
            asks="Privileged rights are few, and managed.",
            evidence=("access", "second-factor", "break-glass"),
            yours="who has the database, the machines and the encryption key.",
        ),
        Control(
            number="A.8.3",
            title="Restriction of access to information",
            asks="Access is restricted according to the policy.",
            evidence=("access", "refusals"),
        ),
        Control(
            number="A.8.5",
            title="Secure authentication",
            asks="Authentication is as strong as the information requires.",
            evidence=("second-factor", "tokens", "refusals", "transport"),
        ),
        Control(
            number="A.8.10",
            title="Deletion of information",
            asks="Information that is no longer needed is deleted.",
            evidence=("removal", "expiry"),
            yours="deletion from backups whose time is over.",
        ),
        Control(
            number="A.8.13",
            title="Backup",
            asks="Backups are made, protected and tried.",
            evidence=("backup",),
            yours="that restoring was tried, and where backups are kept.",
        ),
        Control(
            number="A.8.15",
            title="Logging",
            asks="Activities, failures and faults are logged; logs are protected, kept and analysed.",
            evidence=("trail", "verification", "checkpoints", "refusals", "reviews"),
            yours="how long logs must be kept.",
        ),
        Control(
            number="A.8.16",
            title="Monitoring",
            asks="Systems are watched for unusual behaviour.",
            evidence=("refusals", "notices"),
            yours="who looks at alerts, and when.",
        ),
        Control(
            number="A.8.24",
            title="Use of cryptography",
            asks="Cryptography and keys are used by rules, over the whole life of keys.",
            evidence=("keys", "sealed", "transport", "backup"),
            yours="where the encryption key is kept, and who may see it.",
        ),
    ),
)
