"""PostgreSQL and RabbitMQ as private child processes, for the local gateway and for the tests.

Needs nothing but the standard library. Each server lives in one folder: data, log, configuration, ``state.json`` (port
and password, 0600) and ``lock``. It listens on 127.0.0.1 only, on a port that is kept across restarts while it is free.
It ends when its parent process ends, even by kill -9: the kernel signals it (PR_SET_PDEATHSIG).

``postgresql.PrivatePostgresql`` and ``rabbitmq.PrivateRabbitmq`` share the methods of ``server.PrivateServer``:
start, stop, kill, suspend, resume, restart.
"""
