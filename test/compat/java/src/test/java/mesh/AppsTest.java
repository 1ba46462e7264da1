package mesh;

import static mesh.Foundation.APPS_DOMAIN;
import static mesh.Foundation.CLIENT;
import static mesh.Foundation.MESH_DOMAIN;
import static mesh.Foundation.answers;
import static mesh.Foundation.await;
import static mesh.Foundation.complete;
import static mesh.Foundation.sample;
import static mesh.Foundation.to;
import static mesh.Foundation.unique;
import static mesh.Foundation.until;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.cloudfoundry.client.v3.Metadata;
import org.cloudfoundry.client.v3.applications.ApplicationResource;
import org.cloudfoundry.client.v3.applications.ApplicationState;
import org.cloudfoundry.client.v3.applications.DeleteApplicationRequest;
import org.cloudfoundry.client.v3.applications.GetApplicationEnvironmentRequest;
import org.cloudfoundry.client.v3.applications.GetApplicationProcessRequest;
import org.cloudfoundry.client.v3.applications.GetApplicationProcessStatisticsRequest;
import org.cloudfoundry.client.v3.applications.GetApplicationRequest;
import org.cloudfoundry.client.v3.applications.GetApplicationCurrentDropletRequest;
import org.cloudfoundry.client.v3.applications.ListApplicationProcessesRequest;
import org.cloudfoundry.client.v3.applications.ListApplicationsRequest;
import org.cloudfoundry.client.v3.applications.RestartApplicationRequest;
import org.cloudfoundry.client.v3.applications.ScaleApplicationRequest;
import org.cloudfoundry.client.v3.applications.StartApplicationRequest;
import org.cloudfoundry.client.v3.applications.StopApplicationRequest;
import org.cloudfoundry.client.v3.applications.UpdateApplicationEnvironmentVariablesRequest;
import org.cloudfoundry.client.v3.applications.UpdateApplicationRequest;
import org.cloudfoundry.client.v3.deployments.CreateDeploymentRequest;
import org.cloudfoundry.client.v3.deployments.DeploymentRelationships;
import org.cloudfoundry.client.v3.deployments.DeploymentStatusReason;
import org.cloudfoundry.client.v3.deployments.GetDeploymentRequest;
import org.cloudfoundry.client.v3.processes.ProcessState;
import org.cloudfoundry.client.v3.processes.ProcessStatisticsResource;
import org.cloudfoundry.operations.applications.ManifestV3Application;
import org.cloudfoundry.operations.applications.ManifestV3Process;
import org.cloudfoundry.operations.applications.Route;
import org.junit.jupiter.api.Test;

class AppsTest {
    @Test
    void aWholePushAnswersAtItsRoutes() {
        var target = Foundation.Target.create();
        String name = unique("whole");
        String app = target.push(ManifestV3Application.builder()
            .name(name)
            .path(sample())
            .environmentVariable("GREETING", "hello from Java")
            .metadata(Metadata.builder().label("app", name).label("version", "v1").build())
            .routes(Route.builder().route(name + "." + MESH_DOMAIN + "/api").build(), Route.builder().route(name + "." + APPS_DOMAIN).build())
            .processes(ManifestV3Process.builder().type("web").instances(2).memory("64M").build())
            .build());

        answers(200, name + "." + MESH_DOMAIN, "/api");
        running(app, 2);
        var found = await(CLIENT.applicationsV3().get(GetApplicationRequest.builder().applicationId(app).build()));
        assertEquals(ApplicationState.STARTED, found.getState());
        assertEquals("v1", found.getMetadata().getLabels().get("version"));
        assertEquals("hello from Java", await(CLIENT.applicationsV3().getEnvironment(GetApplicationEnvironmentRequest.builder().applicationId(app).build())).getEnvironmentVariables().get("GREETING"));
        assertNotNull(await(CLIENT.applicationsV3().getCurrentDroplet(GetApplicationCurrentDropletRequest.builder().applicationId(app).build())).getId());
        assertEquals(1, await(CLIENT.applicationsV3().listProcesses(ListApplicationProcessesRequest.builder().applicationId(app).build())).getResources().size());
        assertEquals(64, await(CLIENT.applicationsV3().getProcess(GetApplicationProcessRequest.builder().applicationId(app).type("web").build())).getMemoryInMb());
    }

    @Test
    void appsScaleUpAndDown() {
        var target = Foundation.Target.create();
        String name = unique("scaled");
        String app = target.push(name);
        for (int instances : List.of(3, 1, 0)) {
            assertEquals(instances, await(CLIENT.applicationsV3().scale(ScaleApplicationRequest.builder().applicationId(app).type("web").instances(instances).build())).getInstances());
            running(app, instances);
        }
        answers(503, name + "." + MESH_DOMAIN, "/");
    }

    @Test
    void appsStopStartAndRestart() {
        var target = Foundation.Target.create();
        String name = unique("stopped");
        String app = target.push(name);
        answers(200, name + "." + MESH_DOMAIN, "/");
        assertEquals(ApplicationState.STOPPED, await(CLIENT.applicationsV3().stop(StopApplicationRequest.builder().applicationId(app).build())).getState());
        answers(503, name + "." + MESH_DOMAIN, "/");
        assertEquals(ApplicationState.STARTED, await(CLIENT.applicationsV3().start(StartApplicationRequest.builder().applicationId(app).build())).getState());
        answers(200, name + "." + MESH_DOMAIN, "/");
        await(CLIENT.applicationsV3().restart(RestartApplicationRequest.builder().applicationId(app).build()));
        running(app, 1);
    }

    @Test
    void aRollingDeploymentEndsDeployed() {
        var target = Foundation.Target.create();
        String app = target.push(unique("rolled"));
        var deployment = CreateDeploymentRequest.builder().relationships(DeploymentRelationships.builder().app(to(app)).build()).build();
        String guid = await(CLIENT.deploymentsV3().create(deployment)).getId();
        until(
            () -> await(CLIENT.deploymentsV3().get(GetDeploymentRequest.builder().deploymentId(guid).build())).getStatus().getReason(),
            DeploymentStatusReason.DEPLOYED::equals);
        running(app, 1);
    }

    @Test
    void labelsAndEnvironmentAreSetAndSelected() {
        var target = Foundation.Target.create();
        String app = target.push(unique("labelled"));
        await(CLIENT.applicationsV3().update(UpdateApplicationRequest.builder().applicationId(app).metadata(Metadata.builder().label("version", "v2").build()).build()));
        assertEquals(List.of(app), selected(target, "version=v2"));
        assertEquals(List.of(app), selected(target, "version in (v1,v2)"));
        assertEquals(List.of(), selected(target, "version!=v2"));

        await(CLIENT.applicationsV3().update(UpdateApplicationRequest.builder().applicationId(app).metadata(Metadata.builder().label("version", null).build()).build()));
        assertEquals(List.of(app), selected(target, "!version"));

        var variables = UpdateApplicationEnvironmentVariablesRequest.builder().applicationId(app).var("COLOUR", "blue").build();
        assertEquals("blue", await(CLIENT.applicationsV3().updateEnvironmentVariables(variables)).getVars().get("COLOUR"));
    }

    @Test
    void aDeletedAppIsGoneWithItsDestinations() {
        var target = Foundation.Target.create();
        String name = unique("deleted");
        String app = target.push(name);
        answers(200, name + "." + MESH_DOMAIN, "/");
        complete(await(CLIENT.applicationsV3().delete(DeleteApplicationRequest.builder().applicationId(app).build())));
        answers(404, name + "." + MESH_DOMAIN, "/");
        assertTrue(await(CLIENT.applicationsV3().list(ListApplicationsRequest.builder().name(name).build())).getResources().isEmpty());
    }

    private static List<String> selected(Foundation.Target target, String labels) {
        var query = ListApplicationsRequest.builder().spaceId(target.spaceGuid()).labelSelector(labels).build();
        return await(CLIENT.applicationsV3().list(query)).getResources().stream().map(ApplicationResource::getId).toList();
    }

    /** Waits until so many instances are there and all of them run. */
    private static void running(String app, int instances) {
        var query = GetApplicationProcessStatisticsRequest.builder().applicationId(app).type("web").build();
        List<ProcessStatisticsResource> all = until(
            () -> await(CLIENT.applicationsV3().getProcessStatistics(query)).getResources(),
            found -> found.stream().filter(one -> one.getState() == ProcessState.RUNNING).count() == instances && (instances == 0 || found.size() == instances));
        for (ProcessStatisticsResource one : all) {
            if (one.getState() == ProcessState.RUNNING) assertTrue(one.getInstancePorts().stream().anyMatch(port -> port.getExternal() != null), "a running instance tells its ports");
        }
    }
}
