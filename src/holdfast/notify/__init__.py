"""Takes notices to people: by mail, to chats, to receivers of their own."""
