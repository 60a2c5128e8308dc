"""What all tests share."""


def pytest_collection_modifyitems(items):
    """Run the browser tests last: they take longest, and playwright keeps an event loop running in this thread."""
    items.sort(key=lambda item: "web" in item.path.parts)
