"""PCI DSS, as far as secrets have to do with it."""

from typing import Final

from holdfast.domain.compliance import Control, Framework

PCI_DSS: Final = Framework(
    id="pci-dss",
    title="PCI DSS",
    edition="4.0.1",
    controls=(
        Control(
            number="3.6",
            title="Protection of keys",
            asks="Keys that protect stored account data are protected from disclosure and misuse.",
            evidence=("sealed", "keys", "access"),
            yours="who are the custodians of the encryption key, and where it is kept.",
        ),
        Control(
            number="3.7",
            title="Life of keys",
            asks="Keys are made, handed out, changed at the end of their period, retired and replaced by a procedure.",
            evidence=("keys", "rotation", "rotations", "value-ages"),
            yours="the period of each key, and what the custodians have signed.",
        ),
        Control(
            number="7.2",
            title="Access by need",
            asks="Access is defined and assigned by job, is the least that suffices, and is reviewed every six months.",
            evidence=("access", "changes", "reviews"),
            yours="that management approved the access, and the half-yearly reviews.",
        ),
        Control(
            number="8.2",
            title="Identification",
            asks="Users are identified by ids of their own; unused accounts go within 90 days.",
            evidence=("identities", "tokens", "access"),
            yours="that nobody shares an id.",
        ),
        Control(
            number="8.3",
            title="Strong authentication",
            asks="Factors are strong, protected in storage and transmission, and attempts are limited.",
            evidence=("tokens", "second-factor", "refusals", "transport"),
        ),
        Control(
            number="8.4",
            title="Multi-factor authentication",
            asks="Access to the environment takes more than one factor.",
            evidence=("second-factor",),
            yours="second factors at the login: at an OpenID Connect issuer, and at machines on which tokens are kept.",
        ),
        Control(
            number="8.6",
            title="Application and system accounts",
            asks="Their passwords are in no script or file, and are changed periodically, by a targeted risk analysis.",
            evidence=("rotation", "value-ages", "expiry", "secrets"),
            yours="the risk analysis, and that no credential is hardcoded: scan the sources.",
        ),
        Control(
            number="10.2",
            title="Audit logs",
            asks="Every access, every action of administrators, every failed access is logged with who, what and when.",
            evidence=("trail", "refusals", "changes"),
        ),
        Control(
            number="10.3",
            title="Protection of logs",
            asks="Logs cannot be altered, are backed up at a place hard to alter, and changes of them are noticed.",
            evidence=("verification", "checkpoints"),
            yours="who can read and delete at the place where logs are sent to.",
        ),
        Control(
            number="10.4",
            title="Review of logs",
            asks="Logs are reviewed daily, with automation.",
            evidence=("reviews", "refusals", "notices"),
            yours="the reviews themselves.",
        ),
        Control(
            number="10.5",
            title="Retention of logs",
            asks="Logs are kept for twelve months at least, three of them at hand.",
            evidence=("trail",),
        ),
        Control(
            number="10.6",
            title="Time",
            asks="Clocks are synchronised.",
            yours="NTP on every machine. `holdfast doctor` compares this machine's clock with the others'.",
        ),
        Control(
            number="10.7",
            title="Failures of controls",
            asks="Failures of critical controls are noticed and answered promptly.",
            evidence=("notices", "checkpoints", "replication"),
            yours="who is called, and how quickly.",
        ),
    ),
)
