"""Reading the configuration from a file, the command line and the environment."""
