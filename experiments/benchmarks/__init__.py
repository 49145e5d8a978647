"""What the orchestrator costs, each beside what it is compared with in the same run; one benchmark a file."""
