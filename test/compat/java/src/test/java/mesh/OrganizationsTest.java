package mesh;

import static mesh.Foundation.CLIENT;
import static mesh.Foundation.await;
import static mesh.Foundation.complete;
import static mesh.Foundation.to;
import static mesh.Foundation.unique;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.cloudfoundry.client.v3.ClientV3Exception;
import org.cloudfoundry.client.v3.Metadata;
import org.cloudfoundry.client.v3.organizations.CreateOrganizationRequest;
import org.cloudfoundry.client.v3.organizations.DeleteOrganizationRequest;
import org.cloudfoundry.client.v3.organizations.GetOrganizationRequest;
import org.cloudfoundry.client.v3.organizations.ListOrganizationsRequest;
import org.cloudfoundry.client.v3.organizations.OrganizationResource;
import org.cloudfoundry.client.v3.organizations.UpdateOrganizationRequest;
import org.cloudfoundry.client.v3.spaces.DeleteSpaceRequest;
import org.cloudfoundry.client.v3.spaces.GetSpaceRequest;
import org.cloudfoundry.client.v3.spaces.ListSpacesRequest;
import org.cloudfoundry.client.v3.spaces.SpaceResource;
import org.cloudfoundry.client.v3.spaces.UpdateSpaceRequest;
import org.cloudfoundry.util.PaginationUtils;
import org.junit.jupiter.api.Test;

class OrganizationsTest {
    @Test
    void organizationsAreCreatedListedLabelledAndDeleted() {
        String name = unique("org");
        String guid = await(CLIENT.organizationsV3().create(CreateOrganizationRequest.builder().name(name).build())).getId();
        assertEquals(List.of(guid), organizations(name));

        Metadata labels = Metadata.builder().label("team", "payments").build();
        await(CLIENT.organizationsV3().update(UpdateOrganizationRequest.builder().organizationId(guid).metadata(labels).build()));
        var changed = await(CLIENT.organizationsV3().get(GetOrganizationRequest.builder().organizationId(guid).build()));
        assertEquals(name, changed.getName());
        assertEquals("payments", changed.getMetadata().getLabels().get("team"));

        complete(await(CLIENT.organizationsV3().delete(DeleteOrganizationRequest.builder().organizationId(guid).build())));
        assertEquals(List.of(), organizations(name));
    }

    @Test
    void spacesAreCreatedListedRenamedAndDeleted() {
        var target = Foundation.Target.create();
        var query = ListSpacesRequest.builder().organizationId(target.organizationGuid()).build();
        assertEquals(List.of(target.spaceGuid()), await(CLIENT.spacesV3().list(query)).getResources().stream().map(SpaceResource::getId).toList());

        await(CLIENT.spacesV3().update(UpdateSpaceRequest.builder().spaceId(target.spaceGuid()).name("other").build()));
        var changed = await(CLIENT.spacesV3().get(GetSpaceRequest.builder().spaceId(target.spaceGuid()).build()));
        assertEquals("other", changed.getName());
        assertEquals(to(target.organizationGuid()), changed.getRelationships().getOrganization());

        complete(await(CLIENT.spacesV3().delete(DeleteSpaceRequest.builder().spaceId(target.spaceGuid()).build())));
        assertTrue(await(CLIENT.spacesV3().list(query)).getResources().isEmpty());
    }

    @Test
    void pagesFollowEachOther() {
        String prefix = unique("paged");
        List<String> names = List.of(prefix + "-a", prefix + "-b", prefix + "-c");
        for (String name : names) await(CLIENT.organizationsV3().create(CreateOrganizationRequest.builder().name(name).build()));
        var found = PaginationUtils.requestClientV3Resources(
            page -> CLIENT.organizationsV3().list(ListOrganizationsRequest.builder().names(names).perPage(1).page(page).build()));
        assertEquals(names, found.map(OrganizationResource::getName).sort().collectList().block());
    }

    @Test
    void errorsAreCloudControllersOwn() {
        var missing = assertThrows(ClientV3Exception.class, () -> await(CLIENT.organizationsV3().get(GetOrganizationRequest.builder().organizationId("nobody").build())));
        assertEquals(404, missing.getStatusCode());
        assertEquals(10010, missing.getErrors().get(0).getCode());
        assertEquals("CF-ResourceNotFound", missing.getErrors().get(0).getTitle());
        assertEquals("Organization not found", missing.getErrors().get(0).getDetail());

        var target = Foundation.Target.create();
        var taken = assertThrows(ClientV3Exception.class, () -> await(CLIENT.organizationsV3().create(CreateOrganizationRequest.builder().name(target.organization()).build())));
        assertEquals(422, taken.getStatusCode());
        assertEquals(10008, taken.getErrors().get(0).getCode());
        assertEquals("Organization '" + target.organization() + "' already exists.", taken.getErrors().get(0).getDetail());
    }

    private static List<String> organizations(String name) {
        return await(CLIENT.organizationsV3().list(ListOrganizationsRequest.builder().name(name).build())).getResources().stream().map(OrganizationResource::getId).toList();
    }
}
