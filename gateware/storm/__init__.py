"""Storm control: how many frames that go to many a tenant may send."""
