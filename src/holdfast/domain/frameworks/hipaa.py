"""HIPAA: the technical safeguards of the Security Rule, as far as secrets have to do with them."""

from typing import Final

from holdfast.domain.compliance import Control, Framework

HIPAA: Final = Framework(
    id="hipaa",
    title="HIPAA Security Rule",
    edition="45 CFR Part 164, Subpart C",
    controls=(
        Control(
            number="164.308(a)(1)(ii)(D)",
            title="Review of system activity",
            asks="Records of activity are reviewed regularly.",
            evidence=("reviews", "refusals"),
            yours="who reviews, how often, and what came of it.",
        ),
        Control(
            number="164.308(a)(7)(ii)(A)",
            title="Data backup plan",
            asks="Exact copies that can be retrieved are made and kept.",
            evidence=("backup",),
            yours="the plan, and that restoring was tried.",
        ),
        Control(
            number="164.312(a)(1)",
            title="Access control",
            asks="Only persons and programs that were granted access get it.",
            evidence=("access", "refusals"),
            yours="that the credentials kept here are the only way to health information.",
        ),
        Control(
            number="164.312(a)(2)(i)",
            title="Unique identification",
            asks="Every user has a name of their own, by which activity is tracked.",
            evidence=("identities", "trail"),
            yours="that nobody shares a login.",
        ),
        Control(
            number="164.312(a)(2)(ii)",
            title="Emergency access",
            asks="There is a way to what is needed in an emergency.",
            evidence=("break-glass",),
            yours="the procedure, and that people know it.",
        ),
        Control(
            number="164.312(a)(2)(iv)",
            title="Encryption and decryption",
            asks="Stored health information can be encrypted; here: the secrets that lead to it.",
            evidence=("sealed", "keys", "backup"),
            yours="encryption of the health information itself.",
        ),
        Control(
            number="164.312(b)",
            title="Audit controls",
            asks="Activity in the systems is recorded and can be examined.",
            evidence=("trail", "reviews", "checkpoints"),
        ),
        Control(
            number="164.312(c)(1)",
            title="Integrity",
            asks="Information is protected from being altered or destroyed improperly.",
            evidence=("verification", "checkpoints", "replication", "removal"),
        ),
        Control(
            number="164.312(d)",
            title="Authentication",
            asks="Whoever asks for access is verified to be who they claim to be.",
            evidence=("second-factor", "tokens", "refusals"),
        ),
        Control(
            number="164.312(e)(1)",
            title="Transmission security",
            asks="What is sent over a network is guarded against others.",
            evidence=("transport",),
            yours="transmission of the health information itself.",
        ),
    ),
)
