package mesh;

import static mesh.Foundation.CLIENT;
import static mesh.Foundation.MESH_DOMAIN;
import static mesh.Foundation.answers;
import static mesh.Foundation.await;
import static mesh.Foundation.complete;
import static mesh.Foundation.domain;
import static mesh.Foundation.to;
import static mesh.Foundation.unique;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.cloudfoundry.client.v3.ClientV3Exception;
import org.cloudfoundry.client.v3.Metadata;
import org.cloudfoundry.client.v3.applications.ListApplicationRoutesRequest;
import org.cloudfoundry.client.v3.auditevents.AuditEventResource;
import org.cloudfoundry.client.v3.auditevents.ListAuditEventsRequest;
import org.cloudfoundry.client.v3.domains.CheckReservedRoutesRequest;
import org.cloudfoundry.client.v3.domains.CreateDomainRequest;
import org.cloudfoundry.client.v3.domains.DeleteDomainRequest;
import org.cloudfoundry.client.v3.domains.DomainRelationships;
import org.cloudfoundry.client.v3.domains.DomainResource;
import org.cloudfoundry.client.v3.domains.GetDomainRequest;
import org.cloudfoundry.client.v3.organizations.ListOrganizationDomainsRequest;
import org.cloudfoundry.client.v3.routes.Application;
import org.cloudfoundry.client.v3.routes.CreateRouteRequest;
import org.cloudfoundry.client.v3.routes.DeleteRouteRequest;
import org.cloudfoundry.client.v3.routes.Destination;
import org.cloudfoundry.client.v3.routes.GetRouteRequest;
import org.cloudfoundry.client.v3.routes.InsertRouteDestinationsRequest;
import org.cloudfoundry.client.v3.routes.ListRouteDestinationsRequest;
import org.cloudfoundry.client.v3.routes.ListRoutesRequest;
import org.cloudfoundry.client.v3.routes.Process;
import org.cloudfoundry.client.v3.routes.RemoveRouteDestinationsRequest;
import org.cloudfoundry.client.v3.routes.ReplaceRouteDestinationsRequest;
import org.cloudfoundry.client.v3.routes.RouteRelationships;
import org.cloudfoundry.client.v3.routes.RouteResource;
import org.cloudfoundry.client.v3.routes.UpdateRouteRequest;
import org.junit.jupiter.api.Test;

class RoutesTest {
    @Test
    void aMappedRouteAnswersAndAnUnmappedOneDoesNot() {
        var target = Foundation.Target.create();
        String app = target.push(unique("mapped"));
        String host = unique("java");
        String route = create(target, host, "/shop");

        var destinations = await(CLIENT.routesV3().insertDestinations(InsertRouteDestinationsRequest.builder().routeId(route).destination(toApp(app)).build())).getDestinations();
        assertEquals(1, destinations.size());
        assertEquals(app, destinations.get(0).getApplication().getApplicationId());
        assertEquals("web", destinations.get(0).getApplication().getProcess().getType());
        assertEquals("http1", destinations.get(0).getProtocol());
        answers(200, host + "." + MESH_DOMAIN, "/shop/basket");
        assertEquals(404, Foundation.ask(host + "." + MESH_DOMAIN, "/").statusCode());

        var ofApp = await(CLIENT.applicationsV3().listRoutes(ListApplicationRoutesRequest.builder().applicationId(app).build())).getResources();
        assertTrue(ofApp.stream().anyMatch(found -> found.getId().equals(route)), "the app names the route");

        String destination = await(CLIENT.routesV3().listDestinations(ListRouteDestinationsRequest.builder().routeId(route).build())).getDestinations().get(0).getDestinationId();
        await(CLIENT.routesV3().removeDestinations(RemoveRouteDestinationsRequest.builder().routeId(route).destinationId(destination).build()));
        answers(404, host + "." + MESH_DOMAIN, "/shop");

        complete(await(CLIENT.routesV3().delete(DeleteRouteRequest.builder().routeId(route).build())));
        assertThrows(ClientV3Exception.class, () -> await(CLIENT.routesV3().get(GetRouteRequest.builder().routeId(route).build())));

        var events = await(CLIENT.auditEventsV3().list(ListAuditEventsRequest.builder().spaceId(target.spaceGuid()).types("audit.app.map-route", "audit.app.unmap-route").build())).getResources();
        assertTrue(events.stream().map(AuditEventResource::getType).toList().contains("audit.app.unmap-route"), "the change stands in the audit events");
    }

    @Test
    void routesAreFoundByEveryFilter() {
        var target = Foundation.Target.create();
        String host = unique("found");
        String route = create(target, host, "/a");
        create(target, host, "/b");
        await(CLIENT.routesV3().update(UpdateRouteRequest.builder().routeId(route).metadata(Metadata.builder().label("tier", "front").annotation("note", "one").build()).build()));

        String mesh = domain(MESH_DOMAIN);
        var all = ListRoutesRequest.builder().host(host).build();
        assertEquals(2, await(CLIENT.routesV3().list(all)).getPagination().getTotalResults());
        var narrow = List.of(
            ListRoutesRequest.builder().host(host).path("/a").build(),
            ListRoutesRequest.builder().spaceId(target.spaceGuid()).labelSelector("tier=front").build(),
            ListRoutesRequest.builder().organizationId(target.organizationGuid()).domainId(mesh).path("/a").build());
        for (ListRoutesRequest query : narrow) {
            var found = await(CLIENT.routesV3().list(query)).getResources();
            assertEquals(List.of(route), found.stream().map(RouteResource::getId).toList());
            assertEquals("front", found.get(0).getMetadata().getLabels().get("tier"));
            assertEquals("one", found.get(0).getMetadata().getAnnotations().get("note"));
            assertEquals(host + "." + MESH_DOMAIN + "/a", found.get(0).getUrl());
            assertEquals(to(target.spaceGuid()), found.get(0).getRelationships().getSpace());
        }
        assertTrue(await(CLIENT.domainsV3().checkReservedRoutes(CheckReservedRoutesRequest.builder().domainId(mesh).host(host).path("/a").build())).getMatchingRoute());
        assertFalse(await(CLIENT.domainsV3().checkReservedRoutes(CheckReservedRoutesRequest.builder().domainId(mesh).host(unique("free")).build())).getMatchingRoute());
    }

    @Test
    void destinationsAreReplacedWithWeights() {
        var target = Foundation.Target.create();
        String one = target.push(unique("one"));
        String two = target.push(unique("two"));
        String host = unique("split");
        String route = create(target, host, null);
        var both = List.of(Destination.builder().from(toApp(one)).weight(90).build(), Destination.builder().from(toApp(two)).weight(10).build());
        var replaced = await(CLIENT.routesV3().replaceDestinations(ReplaceRouteDestinationsRequest.builder().routeId(route).destinations(both).build())).getDestinations();
        assertEquals(List.of(10, 90), replaced.stream().map(Destination::getWeight).sorted().toList());
        answers(200, host + "." + MESH_DOMAIN, "/");

        var half = ReplaceRouteDestinationsRequest.builder().routeId(route).destinations(Destination.builder().from(toApp(one)).weight(50).build()).build();
        assertEquals(422, assertThrows(ClientV3Exception.class, () -> await(CLIENT.routesV3().replaceDestinations(half))).getStatusCode());
    }

    @Test
    void domainsAreCreatedListedAndDeleted() {
        var target = Foundation.Target.create();
        String name = unique("private") + ".example.test";
        var owner = DomainRelationships.builder().organization(to(target.organizationGuid())).build();
        String guid = await(CLIENT.domainsV3().create(CreateDomainRequest.builder().name(name).internal(false).relationships(owner).build())).getId();
        var domain = await(CLIENT.domainsV3().get(GetDomainRequest.builder().domainId(guid).build()));
        assertEquals(name, domain.getName());
        assertFalse(domain.isInternal());
        var usable = await(CLIENT.organizationsV3().listDomains(ListOrganizationDomainsRequest.builder().organizationId(target.organizationGuid()).build())).getResources();
        assertTrue(usable.stream().map(DomainResource::getName).toList().containsAll(List.of(name, MESH_DOMAIN)));
        complete(await(CLIENT.domainsV3().delete(DeleteDomainRequest.builder().domainId(guid).build())));
    }

    @Test
    void oneHostAndPathIsTakenOnce() {
        var target = Foundation.Target.create();
        String host = unique("taken");
        create(target, host, null);
        var taken = assertThrows(ClientV3Exception.class, () -> create(target, host, null));
        assertEquals(422, taken.getStatusCode());
        assertEquals("Route already exists with host '" + host + "' for domain '" + MESH_DOMAIN + "'.", taken.getErrors().get(0).getDetail());
    }

    private static String create(Foundation.Target target, String host, String path) {
        var where = RouteRelationships.builder().domain(to(domain(MESH_DOMAIN))).space(to(target.spaceGuid())).build();
        return await(CLIENT.routesV3().create(CreateRouteRequest.builder().host(host).path(path).relationships(where).build())).getId();
    }

    private static Destination toApp(String guid) {
        return Destination.builder().application(Application.builder().applicationId(guid).process(Process.builder().type("web").build()).build()).build();
    }
}
