"""How good a network is: scores, the shipped pipeline on held-out cases, the whole protocol, pictures of both."""
