"""The pure core: decide and evolve, and the nouns that they speak of."""
