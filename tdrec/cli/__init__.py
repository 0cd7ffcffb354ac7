"""The command line: flags become one frozen `Options`, options a plan, and a plan a report."""
