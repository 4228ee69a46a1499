"""S3, SNS, EventBridge and schedules: what they push, through a queue or over HTTP."""
