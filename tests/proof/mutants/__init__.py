"""Each promise broken on purpose: a text of the product, another in its place, and the test that must not stand it."""
