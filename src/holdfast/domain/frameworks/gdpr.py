"""GDPR, as far as secrets have to do with it."""

from typing import Final

from holdfast.domain.compliance import Control, Framework

GDPR: Final = Framework(
    id="gdpr",
    title="GDPR",
    edition="Regulation (EU) 2016/679",
    controls=(
        Control(
            number="Art. 5(1)(f)",
            title="Integrity and confidentiality",
            asks="Personal data is protected from unauthorised processing, loss and damage; here: what leads to it.",
            evidence=("sealed", "access", "transport", "backup"),
            yours="protection of the personal data itself.",
        ),
        Control(
            number="Art. 5(2)",
            title="Accountability",
            asks="Compliance can be demonstrated.",
            evidence=("trail", "verification", "checkpoints"),
        ),
        Control(
            number="Art. 17",
            title="Erasure",
            asks="What must go is erased.",
            evidence=("removal",),
            yours="erasure from backups whose time is over.",
        ),
        Control(
            number="Art. 25",
            title="Protection by design and by default",
            asks="By default only what is necessary can be reached, by as few as possible.",
            evidence=("access", "second-factor", "expiry"),
            yours="the design of the systems that use the secrets.",
        ),
        Control(
            number="Art. 30",
            title="Records of processing",
            asks="Processing is on record, with its purposes and recipients.",
            evidence=("trail",),
            yours="the record of processing activities: Holdfast records who used which credential, not what for.",
        ),
        Control(
            number="Art. 32",
            title="Security of processing",
            asks="Encryption, resilience, recovery, and regular tests of how well all that works.",
            evidence=("sealed", "keys", "transport", "replication", "backup", "rotation", "verification"),
            yours="the assessment of risks, and the tests.",
        ),
        Control(
            number="Art. 33",
            title="Notification of breaches",
            asks="Breaches are noticed, and told to the authority within 72 hours.",
            evidence=("refusals", "verification", "notices", "break-glass"),
            yours="who decides, and who tells the authority.",
        ),
    ),
)
