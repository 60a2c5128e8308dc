"""What each network costs and which provider runs it: numbers measured here, as a page of the documentation."""
