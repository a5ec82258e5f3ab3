"""The gateway: the scheduler in front of real engines, speaking OpenAI's API."""
