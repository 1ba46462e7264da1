// Generates src/common/proto/gen from Envoy's protos (as @grpc/grpc-js-xds ships them) and our own *.proto files.
// Run it after changing roots.txt or a .proto file; the result is committed, so nobody else needs to.
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '..')
const protos = join(root, 'src/common/proto')
const deps = join(root, 'node_modules/@grpc/grpc-js-xds/deps')
const work = mkdtempSync(join(tmpdir(), 'mesh-protos-'))
const module = join(work, 'protos')

// validate.proto in grpc-js-xds is older than the Envoy protos beside it; the PyPI package protoc-gen-validate has the matching one.
const validate = process.argv[2]
if (!validate) {
  console.error('usage: npm run generate -- PATH_OF_validate.proto   (from the PyPI package protoc-gen-validate >= 1.3)')
  process.exit(2)
}

for (const tree of ['envoy-api/envoy', 'xds/xds', 'xds/udpa', 'googleapis/google']) {
  cpSync(join(deps, tree), join(module, tree.split('/')[1]), {
    recursive: true,
    filter: (path) => !/envoy.*\/v2(alpha)?\d*(\/|$)/.test(path),
  })
}
cpSync(validate, join(module, 'validate/validate.proto'))

// Fields that Envoy 1.40 has and the protos of grpc-js-xds do not have yet, each put before the line that it names.
const additions = [
  [
    'envoy/extensions/transport_sockets/tls/v3/tls.proto',
    '  bool allow_renegotiation = 3;',
    '  bool auto_host_sni = 6;\n  bool auto_sni_san_validation = 7;',
  ],
  [
    'envoy/extensions/transport_sockets/tls/v3/tls.proto',
    '  TlsKeyLog key_log = 15;',
    '  config.core.v3.TypedExtensionConfig custom_tls_certificate_selector = 16;',
  ],
  ['envoy/config/core/v3/protocol.proto', 'import "envoy/type/v3/percent.proto";', 'import "envoy/type/matcher/v3/string.proto";'],
  [
    'envoy/config/core/v3/protocol.proto',
    '  bool allow_custom_methods = 10',
    '  repeated type.matcher.v3.StringMatcher ignore_http_11_upgrade = 11;',
  ],
  [
    'envoy/config/common/mutation_rules/v3/mutation_rules.proto',
    'import "google/protobuf/wrappers.proto";',
    'import "envoy/type/matcher/v3/string.proto";',
  ],
  [
    'envoy/config/common/mutation_rules/v3/mutation_rules.proto',
    '  oneof action {',
    '  message RemoveOnMatch {\n    type.matcher.v3.StringMatcher key_matcher = 1;\n  }',
  ],
  ['envoy/config/common/mutation_rules/v3/mutation_rules.proto', '    string remove = 1', '    RemoveOnMatch remove_on_match = 3;'],
  [
    'envoy/extensions/filters/http/header_mutation/v3/header_mutation.proto',
    '  repeated config.common.mutation_rules.v3.HeaderMutation response_mutations = 2;',
    '  repeated config.common.mutation_rules.v3.HeaderMutation request_trailers_mutations = 5;',
  ],
  [
    'envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.proto',
    '  bool rate_limited_as_resource_exhausted = 15;',
    '  repeated config.route.v3.RateLimit rate_limits = 17;\n  google.protobuf.UInt32Value max_dynamic_descriptors = 18;\n  bool enable_retry_after_header = 19;',
  ],
  [
    'envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.proto',
    'import "envoy/config/core/v3/base.proto";',
    'import "envoy/config/route/v3/route_components.proto";',
  ],
  ['envoy/config/route/v3/route_components.proto', '    string header_name = 4', '    google.protobuf.BoolValue use_hash_policy = 5;'],
  [
    'envoy/extensions/load_balancing_policies/common/v3/common.proto',
    '  bool use_hostname_for_hashing = 1;',
    '  repeated config.route.v3.RouteAction.HashPolicy hash_policy = 3;',
  ],
  [
    'envoy/extensions/load_balancing_policies/common/v3/common.proto',
    'import "envoy/config/core/v3/base.proto";',
    'import "envoy/config/route/v3/route_components.proto";',
  ],
]
for (const [file, line, addition] of additions) {
  const text = readFileSync(join(module, file), 'utf8')
  if (text.includes(addition)) continue
  if (!text.includes(line)) throw new Error(`${file} has no line ${line}`)
  writeFileSync(join(module, file), text.replace(line, `${addition}\n${line}`))
}

const own = ['bbs.proto', 'on_demand_secret.proto', 'static_name.proto']
for (const file of own) cpSync(join(protos, file), join(module, file))

writeFileSync(join(work, 'buf.yaml'), 'version: v2\nmodules:\n  - path: protos\n')
writeFileSync(
  join(work, 'buf.gen.yaml'),
  'version: v2\nplugins:\n  - local: protoc-gen-es\n    out: gen\n    opt: target=js+dts,import_extension=js\n',
)
const roots = readFileSync(join(protos, 'roots.txt'), 'utf8').split('\n').filter(Boolean)
const bin = join(root, 'node_modules/.bin')
execFileSync(
  join(bin, 'buf'),
  ['generate', '--include-imports', ...[...roots, ...own].flatMap((file) => ['--path', join('protos', file)])],
  {
    cwd: work,
    stdio: 'inherit',
    env: { ...process.env, PATH: `${bin}:${process.env.PATH}` },
  },
)

rmSync(join(protos, 'gen'), { recursive: true, force: true })
cpSync(join(work, 'gen'), join(protos, 'gen'), { recursive: true })
rmSync(work, { recursive: true })
