-- Is this group given nothing from now on?
DELETE FROM access.group_roles WHERE group_name = %(name)s
