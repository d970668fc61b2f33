"""Do the published claims hold? Each article's own protocol, several seeds."""
