package mesh;

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Duration;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.function.Predicate;
import org.cloudfoundry.client.CloudFoundryClient;
import org.cloudfoundry.client.v3.Relationship;
import org.cloudfoundry.client.v3.ToOneRelationship;
import org.cloudfoundry.client.v3.applications.ApplicationResource;
import org.cloudfoundry.client.v3.applications.ListApplicationsRequest;
import org.cloudfoundry.client.v3.domains.DomainResource;
import org.cloudfoundry.client.v3.domains.ListDomainsRequest;
import org.cloudfoundry.client.v3.jobs.GetJobRequest;
import org.cloudfoundry.client.v3.jobs.JobState;
import org.cloudfoundry.client.v3.organizations.CreateOrganizationRequest;
import org.cloudfoundry.client.v3.spaces.CreateSpaceRequest;
import org.cloudfoundry.client.v3.spaces.SpaceRelationships;
import org.cloudfoundry.operations.DefaultCloudFoundryOperations;
import org.cloudfoundry.operations.applications.ManifestV3;
import org.cloudfoundry.operations.applications.ManifestV3Application;
import org.cloudfoundry.operations.applications.PushManifestV3Request;
import org.cloudfoundry.reactor.DefaultConnectionContext;
import org.cloudfoundry.reactor.client.ReactorCloudFoundryClient;
import org.cloudfoundry.reactor.tokenprovider.PasswordGrantTokenProvider;
import reactor.core.publisher.Mono;

/** The running `npm start`, as the environment names it, seen through cf-java-client. */
final class Foundation {
    private static final Duration LIMIT = Duration.ofSeconds(60);

    static final String APPS_DOMAIN = variable("MESH_APPS_DOMAIN");
    static final String MESH_DOMAIN = variable("MESH_DOMAIN");
    static final String USER = variable("MESH_CC_USER");

    static final CloudFoundryClient CLIENT = client();

    private static final HttpClient HTTP = HttpClient.newHttpClient();

    private Foundation() {}

    /** A space that nobody else uses. */
    record Target(String organization, String organizationGuid, String space, String spaceGuid) {
        static Target create() {
            String name = unique("java");
            String organization = await(CLIENT.organizationsV3().create(CreateOrganizationRequest.builder().name(name).build())).getId();
            SpaceRelationships within = SpaceRelationships.builder().organization(to(organization)).build();
            String space = await(CLIENT.spacesV3().create(CreateSpaceRequest.builder().name(name).relationships(within).build())).getId();
            return new Target(name, organization, name, space);
        }

        /** `cf push` by V3: the manifest, the bits, staging, and the start. Answers the app's guid. */
        String push(ManifestV3Application application) {
            var operations = DefaultCloudFoundryOperations.builder().cloudFoundryClient(CLIENT).organization(organization).space(space).build();
            var manifest = ManifestV3.builder().application(application).build();
            // One at a time: cf-java-client writes every manifest with one shared SnakeYAML `Yaml`, which is not thread-safe.
            synchronized (CLIENT) {
                operations.applications().pushManifestV3(PushManifestV3Request.builder().manifest(manifest).build()).block(LIMIT);
            }
            return app(application.getName());
        }

        /** The sample app with the default route. */
        String push(String name) {
            return push(ManifestV3Application.builder().name(name).path(sample()).defaultRoute(true).build());
        }

        String app(String name) {
            var query = ListApplicationsRequest.builder().name(name).spaceId(spaceGuid).build();
            var found = await(CLIENT.applicationsV3().list(query)).getResources();
            if (found.size() != 1) throw new AssertionError(found.size() + " apps named " + name);
            ApplicationResource app = found.get(0);
            return app.getId();
        }
    }

    static <T> T await(Mono<T> answer) {
        return answer.block(LIMIT);
    }

    /** Waits for the job that a request started; it must complete. */
    static void complete(String job) {
        JobState end = until(
            () -> await(CLIENT.jobsV3().get(GetJobRequest.builder().jobId(job).build())).getState(),
            state -> state != JobState.PROCESSING);
        if (end != JobState.COMPLETE) throw new AssertionError("the job ended as " + end);
    }

    /** Asks again and again until the answer is as it shall be. */
    static <T> T until(Callable<T> ask, Predicate<T> done) {
        long end = System.nanoTime() + LIMIT.toNanos();
        try {
            for (;;) {
                T answer = ask.call();
                if (done.test(answer)) return answer;
                if (System.nanoTime() > end) throw new AssertionError("never came; last: " + answer);
                Thread.sleep(20);
            }
        } catch (Exception error) {
            throw new AssertionError(error);
        }
    }

    static String domain(String name) {
        DomainResource domain = await(CLIENT.domainsV3().list(ListDomainsRequest.builder().name(name).build())).getResources().get(0);
        return domain.getId();
    }

    static ToOneRelationship to(String guid) {
        return ToOneRelationship.builder().data(Relationship.builder().id(guid).build()).build();
    }


    static String unique(String name) {
        return name + "-" + UUID.randomUUID().toString().substring(0, 8);
    }

    static Path sample() {
        return Path.of(variable("MESH_SAMPLE"));
    }

    /** What the mesh's router answers for a URL's host and path. */
    static HttpResponse<String> ask(String host, String path) {
        URI uri = URI.create("http://127.0.0.1:" + variable("MESH_ROUTER_PORT") + path);
        try {
            return HTTP.send(HttpRequest.newBuilder(uri).header("Host", host).build(), HttpResponse.BodyHandlers.ofString());
        } catch (Exception error) {
            throw new AssertionError(error);
        }
    }

    /** Waits until the router gives that status for the host. */
    static HttpResponse<String> answers(int status, String host, String path) {
        return until(() -> ask(host, path), answer -> answer.statusCode() == status);
    }

    private static CloudFoundryClient client() {
        URI api = URI.create(variable("MESH_CC_URL"));
        var connection = DefaultConnectionContext.builder().apiHost(api.getHost()).port(api.getPort()).skipSslValidation(true).build();
        var tokens = PasswordGrantTokenProvider.builder().username(USER).password(variable("MESH_CC_PASSWORD")).build();
        return ReactorCloudFoundryClient.builder().connectionContext(connection).tokenProvider(tokens).build();
    }

    private static String variable(String name) {
        String value = System.getenv(name);
        if (value == null) throw new IllegalStateException(name + " is not set; run these tests with npm run compat");
        return value;
    }
}
