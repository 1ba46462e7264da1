"""Reads the embedded Cloud Foundry with cf-python-client. Run by: npm run compat"""

import os
import unittest
from uuid import uuid4

from cloudfoundry_client.client import CloudFoundryClient
from cloudfoundry_client.errors import InvalidStatusCode
from cloudfoundry_client.v3.routes import LoadBalancing

environment = os.environ
MESH_DOMAIN = environment["MESH_DOMAIN"]


def unique(name):
    return f"{name}-{uuid4().hex[:8]}"


class Reads(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.client = CloudFoundryClient(environment["MESH_CC_URL"], verify=environment["MESH_CA_FILE"])
        cls.client.init_with_user_credentials(environment["MESH_CC_USER"], environment["MESH_CC_PASSWORD"])
        cls.cc = cls.client.v3
        cls.space = cls.cc.spaces.get_first(names=environment["MESH_SPACE"])
        cls.app = cls.cc.apps.get_first(names="hello", space_guids=cls.space["guid"])
        cls.domain = cls.cc.domains.get_first(names=MESH_DOMAIN)

    def test_organizations_and_spaces_lead_to_each_other(self):
        organization = self.space.organization()
        self.assertEqual(organization["name"], environment["MESH_ORGANIZATION"])
        self.assertIn(self.space["guid"], [space["guid"] for space in self.cc.spaces.list(organization_guids=organization["guid"])])
        self.assertIn(MESH_DOMAIN, [domain["name"] for domain in self.cc.organizations.list_domains(organization["guid"])])
        self.assertEqual(self.cc.organizations.get_default_domain(organization["guid"])["name"], environment["MESH_APPS_DOMAIN"])
        self.assertGreaterEqual(self.cc.organizations.get_usage_summary(organization["guid"])["usage_summary"]["started_instances"], 1)

    def test_an_app_leads_to_all_that_is_its(self):
        app = self.cc.apps.get(self.app["guid"])
        self.assertEqual(app["state"], "STARTED")
        self.assertEqual(app.space()["guid"], self.space["guid"])
        self.assertEqual([process["type"] for process in app.processes()], ["web"])
        self.assertEqual([package["state"] for package in app.packages()], ["READY"])
        self.assertEqual([droplet["state"] for droplet in self.cc.apps.list_droplets(app["guid"])], ["STAGED"])
        self.assertEqual(app.current_droplet()["state"], "STAGED")
        self.assertEqual([route["host"] for route in self.cc.apps.list_routes(app["guid"])], ["hello"])
        self.assertIn("environment_variables", self.cc.apps.get_env(app["guid"]))
        self.assertIn("name: hello", self.cc.apps.get_manifest(app["guid"]))
        self.assertGreaterEqual(len(list(self.cc.apps.list_revisions(app["guid"]))), 1)
        self.assertGreaterEqual(len(list(self.cc.apps.list_deployed_revisions(app["guid"]))), 1)

    def test_a_process_tells_of_its_instances(self):
        process = next(iter(self.app.processes()))
        read = self.cc.processes.get(process["guid"])
        self.assertEqual(read["instances"], 1)
        [instance] = read.stats()
        self.assertEqual((instance["index"], instance["state"]), (0, "RUNNING"))
        self.assertTrue(instance["instance_ports"])

    def test_related_resources_come_with_a_list(self):
        app = next(iter(self.cc.apps.list(guids=self.app["guid"], include="space.organization")))
        self.assertEqual(app.space()["name"], environment["MESH_SPACE"])
        route = self.cc.routes.get_first(hosts="hello", include="domain")
        self.assertEqual(route.domain()["name"], environment["MESH_APPS_DOMAIN"])

    def test_routes_are_found_page_by_page_and_by_label(self):
        host = unique("python")
        made = [
            self.cc.routes.create(self.space["guid"], self.domain["guid"], host, path, load_balancing=LoadBalancing.LEAST_CONNECTION, meta_labels={"tier": host})
            for path in ("/a", "/b", "/c")
        ]
        self.addCleanup(lambda: [self.cc.routes.remove(route["guid"]) for route in made])
        pages = self.cc.routes.list(hosts=host, per_page=1)
        self.assertEqual(pages.total_results, 3)
        self.assertEqual({route["url"] for route in pages}, {f"{host}.{MESH_DOMAIN}{path}" for path in ("/a", "/b", "/c")})
        self.assertEqual({route["guid"] for route in self.cc.routes.list(label_selector=f"tier={host}")}, {route["guid"] for route in made})
        self.assertEqual(made[0]["options"], {"loadbalancing": "least-connection"})
        self.assertEqual(made[0].domain()["name"], MESH_DOMAIN)
        self.assertEqual(made[0].destinations()["destinations"], [])

    def test_everything_else_that_is_listed_can_be_read(self):
        for name in ("audit_events", "buildpacks", "domains", "droplets", "feature_flags", "isolation_segments", "organization_quotas", "packages", "processes", "roles",
                     "security_groups", "service_brokers", "service_credential_bindings", "service_instances", "service_offerings", "service_plans", "stacks", "users"):
            with self.subTest(name):
                listed = getattr(self.cc, name).list(per_page=2)
                self.assertEqual(sum(1 for _ in listed), listed.total_results)

    def test_errors_are_cloud_controllers_own(self):
        with self.assertRaises(InvalidStatusCode) as raised:
            self.cc.apps.get("nobody")
        self.assertEqual(raised.exception.status_code, 404)
        self.assertEqual(raised.exception.body["errors"][0], {"code": 10010, "title": "CF-ResourceNotFound", "detail": "App not found"})

    def test_a_token_is_renewed(self):
        before = self.client._access_token
        self.client._refresh_token()
        self.assertNotEqual(self.client._access_token, before)
        self.assertEqual(self.cc.apps.get(self.app["guid"])["name"], "hello")


if __name__ == "__main__":
    unittest.main()
