"""An app as a template of AWS SAM: functions, their sources and destinations, and the least that each is allowed."""
