import { Type, type TSchema } from 'typebox'
import { Blueprint, IntegerConstraints } from './blueprints.ts'

const closed = { additionalProperties: false } as const
const text = Type.String({ minLength: 1 })
const name = Type.String({ pattern: '^[a-zA-Z][a-zA-Z0-9_-]*$' })
const version = Type.String({ pattern: '^\\d+(\\.\\d+)*([-+.].+)?$' })
const flag = Type.Optional(Type.Boolean())
const list = (items: TSchema, minItems = 1): TSchema => Type.Array(items, { minItems })
const snippet = Type.Optional(Type.String({ minLength: 1, description: 'YAML with expressions, as text' }))

const StemcellCriteria = Type.Object({ os: text, version, enable_patch_security_updates: flag }, closed)
const ProductVersion = Type.Object(
  { name, version: Type.String({ pattern: '^(=|!=|>|<|>=|<=|~>) ?\\d+(\\.\\d+)*$' }), optional: flag },
  closed,
)

const Verifier = Type.Object(
  {
    name: Type.Enum(
      [
        'Blobstore',
        'LDAPBind',
        'MysqlDatabase',
        'SmtpAuthentication',
        'SsoUrl',
        'StaticIps',
        'WildcardDomain',
        'VsphereConfiguration',
        'HttpSuccess',
      ].map((kind) => `Verifiers::${kind}Verifier`),
    ),
    properties: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
    ignorable: flag,
    run_on: Type.Optional(Type.Enum(['always', 'major_or_minor_upgrades'])),
  },
  closed,
)

const Errand = Type.Object(
  {
    name,
    colocated: flag,
    run_default: flag,
    instances: Type.Optional(Type.Array(text)),
    label: Type.Optional(text),
    description: Type.Optional(text),
    impact_warning: Type.Optional(text),
  },
  closed,
)

const reference = Type.String({ pattern: '^(\\.[a-z][a-z0-9_]*){2,4}$' })
const words = {
  label: text,
  description: Type.Optional(text),
  placeholder: Type.Optional(text),
  display_type: Type.Optional(Type.Literal('text_area')),
}
const Input = Type.Object({ reference, ...words }, closed)
const PropertyInput = Type.Object(
  {
    reference,
    ...words,
    property_inputs: Type.Optional(list(Type.Object({ reference: name, ...words }, closed))),
    selector_property_inputs: Type.Optional(
      list(Type.Object({ reference, label: text, description: Type.Optional(text), property_inputs: Type.Optional(list(Input)) }, closed)),
    ),
  },
  closed,
)

const FormType = Type.Object(
  {
    name,
    label: text,
    description: Type.Optional(text),
    markdown: Type.Optional(text),
    property_inputs: list(PropertyInput),
    verifiers: Type.Optional(list(Verifier)),
  },
  closed,
)

const Template = Type.Object({ name, release: name, manifest: snippet, consumes: snippet, provides: snippet }, closed)
const ResourceDefinition = Type.Object(
  {
    name: Type.Enum(['ram', 'ephemeral_disk', 'persistent_disk', 'cpu']),
    configurable: Type.Boolean(),
    default: Type.Integer({ minimum: 0 }),
    constraints: Type.Optional(IntegerConstraints),
  },
  closed,
)
const InstanceDefinition = Type.Object(
  {
    name: Type.Literal('instances'),
    configurable: Type.Boolean(),
    default: Type.Integer({ minimum: 0 }),
    constraints: Type.Optional(IntegerConstraints),
    zero_if: Type.Optional(
      Type.Object(
        {
          property_reference: reference,
          property_value: Type.Optional(text),
          property_values: Type.Optional(list(text)),
          allow_manual_selection_of_zero: flag,
        },
        closed,
      ),
    ),
  },
  closed,
)

const JobType = Type.Object(
  {
    name,
    resource_label: text,
    description: Type.Optional(text),
    errand: flag,
    templates: list(Template),
    single_az_only: Type.Boolean(),
    max_in_flight: Type.Integer({ minimum: 1 }),
    use_stemcell: Type.Optional(text),
    default_internet_connected: flag,
    instance_definition: InstanceDefinition,
    resource_definitions: Type.Array(ResourceDefinition, { minItems: 4, maxItems: 4 }),
    property_blueprints: Type.Optional(Type.Array(Blueprint)),
    manifest: snippet,
  },
  closed,
)

/** The metadata of a product, after the tile developer guide: https://techdocs.broadcom.com, «Property and template references». */
export const ProductTemplate = Type.Object(
  {
    name,
    product_version: version,
    minimum_version_for_upgrade: version,
    metadata_version: Type.String({ pattern: '^\\d+\\.\\d+(\\.\\d+)?$' }),
    label: text,
    description: text,
    rank: Type.Integer({ minimum: 1, maximum: 99 }),
    pivnet_filename_regex: Type.Optional(text),
    service_broker: flag,
    opsmanager_syslog: flag,
    base_releases_url: Type.Optional(text),
    stemcell_criteria: StemcellCriteria,
    additional_stemcells_criteria: Type.Optional(list(StemcellCriteria)),
    requires_product_versions: Type.Optional(list(ProductVersion)),
    releases: list(Type.Object({ name, file: Type.String({ pattern: '^[^/]+\\.tgz$' }), version: text }, closed)),
    variables: Type.Optional(
      list(
        Type.Object(
          {
            name: text,
            type: Type.Enum(['certificate', 'password', 'rsa', 'ssh', 'user']),
            options: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
          },
          closed,
        ),
      ),
    ),
    post_deploy_errands: Type.Optional(list(Errand)),
    pre_delete_errands: Type.Optional(list(Errand)),
    runtime_configs: Type.Optional(list(Type.Object({ name, runtime_config: text }, closed))),
    install_time_verifiers: Type.Optional(list(Verifier)),
    form_types: list(FormType),
    property_blueprints: Type.Optional(list(Blueprint)),
    job_types: list(JobType),
    icon_image: Type.String({ pattern: '^iVBORw0KGgo[A-Za-z0-9+/]+=*$', description: 'A PNG in Base64' }),
  },
  closed,
)
