"""The Celery application, job records and leases."""
