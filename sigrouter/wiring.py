"""The only place that chooses an implementation: builds the pod that all components of a process share."""

import secrets
import time
from collections.abc import Callable
from pathlib import Path

from twisted.internet.interfaces import IReactorTime

from sigrouter.commands.settings_source import read_settings
from sigrouter.services.admin_ticket import AdminTicket
from sigrouter.services.admission import Admissions
from sigrouter.services.authentication import JwtVerifier
from sigrouter.services.background import Background
from sigrouter.services.cluster import Cluster
from sigrouter.services.connections import Connections
from sigrouter.services.delivery import Delivery
from sigrouter.services.drain import DrainService
from sigrouter.services.housekeeping import Housekeeping
from sigrouter.services.messaging import Messaging
from sigrouter.services.pairing import Pairing
from sigrouter.services.pod import Pod
from sigrouter.services.recovery import RecoveryTokens
from sigrouter.services.sessions import Sessions
from sigrouter.services.steps import StepRecorder
from sigrouter.settings import Settings
from sigrouter.stores.interface import Store
