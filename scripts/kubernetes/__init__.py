"""What the Helm chart and the plain manifests are made with: helm itself, and what is generated from other sources."""
