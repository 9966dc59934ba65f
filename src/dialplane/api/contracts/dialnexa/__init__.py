"""DialNexa's contract: campaigns and leads of its older documentation, batch calls of its current one."""
