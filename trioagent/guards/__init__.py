"""Stand between the agent and its models: no wait on one is without a bound."""
