"""Who a request comes from: clients, their tokens, and limits on guessing."""
