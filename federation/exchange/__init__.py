"""The meeting point: service and client, mailbox, public blobs, invitation and enrolment.

Nothing here conducts runs or believes documents: envelopes are carried, acceptance judges them.
"""
