"""The frameworks that reports are made for. What a control asks is told in our words; its text is its owner's."""

from collections.abc import Mapping
from typing import Final

from holdfast.domain.compliance import Framework, FrameworkId
from holdfast.domain.frameworks.gdpr import GDPR
from holdfast.domain.frameworks.hipaa import HIPAA
from holdfast.domain.frameworks.iso27001 import ISO27001
from holdfast.domain.frameworks.pci_dss import PCI_DSS
from holdfast.domain.frameworks.soc2 import SOC2

FRAMEWORKS: Final[Mapping[FrameworkId, Framework]] = {
    FrameworkId(each.id): each for each in (SOC2, ISO27001, HIPAA, PCI_DSS, GDPR)
}
