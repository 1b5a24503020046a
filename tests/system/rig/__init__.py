"""What the system tests, the demo and the benches stand on: processes, namespaces, SIPp."""
