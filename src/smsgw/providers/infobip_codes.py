"""Infobip's statuses: what they mean in the answer to a send, and in a report."""

from smsgw.core.failure import Outcome
from smsgw.core.message import ReportStatus

# https://www.infobip.com/docs/essentials/response-status-and-error-codes

STATUSES = {
    409: Outcome.UNKNOWN,  # our message id is there already: an earlier call may have been taken; the logs tell
}
"""What Infobip means by a status, where HTTP means something else."""

SEND_GROUPS = {
    0: Outcome.ACCEPTED,  # ACCEPTED
    1: Outcome.ACCEPTED,  # PENDING
    2: Outcome.REJECTED,  # UNDELIVERABLE
    3: Outcome.ACCEPTED,  # DELIVERED
    5: Outcome.REJECTED,  # REJECTED
}
"""`status.groupId` in the answer to a send, for a status id that has no line of its own; any other group proves
nothing."""

SEND_STATUSES = {
    4: Outcome.REJECTED,  # UNDELIVERABLE_REJECTED_OPERATOR
    6: Outcome.REJECTED,  # REJECTED_NETWORK
    8: Outcome.INVALID_NUMBER,  # REJECTED_PREFIX_MISSING: no known prefix, or a wrong length
    9: Outcome.REJECTED,  # UNDELIVERABLE_NOT_DELIVERED
    10: Outcome.OPTED_OUT,  # REJECTED_DND: the number is on a do-not-disturb list
    11: Outcome.REJECTED,  # REJECTED_SOURCE
    12: Outcome.CREDENTIALS,  # REJECTED_NOT_ENOUGH_CREDITS
    13: Outcome.REJECTED,  # REJECTED_SENDER
    14: Outcome.OPTED_OUT,  # REJECTED_DESTINATION: the number is on a block list
    16: Outcome.REJECTED,  # REJECTED_NOT_REACHABLE
    17: Outcome.CREDENTIALS,  # REJECTED_PREPAID_PACKAGE_EXPIRED
    18: Outcome.REJECTED,  # REJECTED_DESTINATION_NOT_REGISTERED
    19: Outcome.REJECTED,  # REJECTED_ROUTE_NOT_AVAILABLE
    20: Outcome.THROTTLED,  # REJECTED_FLOODING_FILTER: too many texts for this number in an hour
    21: Outcome.THROTTLED,  # REJECTED_SYSTEM_ERROR: not sent, and worth another try
    23: Outcome.ACCEPTED,  # REJECTED_DUPLICATE_MESSAGE_ID: an earlier try of ours was taken
    24: Outcome.REJECTED,  # REJECTED_INVALID_UDH
    25: Outcome.REJECTED,  # REJECTED_MESSAGE_TOO_LONG: more than 25 parts or 4000 bytes
    31: Outcome.REJECTED,  # UNDELIVERABLE_NOT_SENT
    51: Outcome.INVALID_NUMBER,  # MISSING_TO
    52: Outcome.INVALID_NUMBER,  # REJECTED_DESTINATION: no valid destination
    87: Outcome.REJECTED,  # SIGNALS_BLOCKED: taken for fraud
    100: Outcome.THROTTLED,  # UNDELIVERABLE_REJECTED_PLATFORM: not sent, and worth another try
}
"""`status.id` in the answer to a send. What is accepted, the group says, but for an id that was taken already."""

REPORT_GROUPS = {
    0: ReportStatus.QUEUED,  # ACCEPTED
    1: ReportStatus.SENT,  # PENDING
    2: ReportStatus.UNDELIVERED,  # UNDELIVERABLE
    3: ReportStatus.DELIVERED,  # DELIVERED
    4: ReportStatus.EXPIRED,  # EXPIRED
    5: ReportStatus.REJECTED,  # REJECTED
}
"""`status.groupId` of a report, for a status id that has no line of its own."""

REPORT_STATUSES = {
    2: ReportStatus.DELIVERED,  # DELIVERED_TO_OPERATOR: no handset has told
    3: ReportStatus.SENT,  # PENDING_WAITING_DELIVERY
    4: ReportStatus.UNDELIVERED,  # UNDELIVERABLE_REJECTED_OPERATOR
    5: ReportStatus.DELIVERED,  # DELIVERED_TO_HANDSET
    7: ReportStatus.SENT,  # PENDING_ENROUTE
    9: ReportStatus.UNDELIVERED,  # UNDELIVERABLE_NOT_DELIVERED
    15: ReportStatus.EXPIRED,  # EXPIRED_EXPIRED
    22: ReportStatus.SENT,  # EXPIRED_UNKNOWN: the time is over and no receipt came: nobody knows
    23: ReportStatus.SENT,  # REJECTED_DUPLICATE_MESSAGE_ID: says nothing about the message that was taken first
    26: ReportStatus.QUEUED,  # PENDING_ACCEPTED
    29: ReportStatus.SENT,  # EXPIRED_DLR_UNKNOWN: as 22
    31: ReportStatus.UNDELIVERED,  # UNDELIVERABLE_NOT_SENT
}
"""`status.id` of a report."""
