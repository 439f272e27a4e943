"""The whole system in one process and in virtual time: real pods, fakes of all servers, faults, and an auditor."""
