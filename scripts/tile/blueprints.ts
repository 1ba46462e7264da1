import { Type, type TSchema } from 'typebox'

const closed = { additionalProperties: false } as const
const name = Type.String({ pattern: '^[a-z][a-z0-9_]*$' })
const text = Type.String({ minLength: 1 })

/** A snippet of a named manifest, YAML with expressions. */
export const NamedManifest = Type.Object({ name, manifest: text }, closed)

/** Constraints of whole numbers: of `integer` properties, of instances and of resources. */
export const IntegerConstraints = Type.Object(
  {
    min: Type.Optional(Type.Integer()),
    max: Type.Optional(Type.Integer()),
    zero_or_min: Type.Optional(Type.Integer()),
    modulo: Type.Optional(Type.Integer({ minimum: 1 })),
    can_only_be_odd_or_zero: Type.Optional(Type.Boolean()),
    can_only_increase: Type.Optional(Type.Boolean()),
    power_of_two: Type.Optional(Type.Boolean()),
  },
  { ...closed, minProperties: 1 },
)

const error_message = text
const StringConstraints = Type.Array(
  Type.Union([
    Type.Object({ must_match_regex: text, error_message }, closed),
    Type.Object({ must_be_cron_schedule: Type.Boolean(), error_message }, closed),
  ]),
  { minItems: 1 },
)
const Options = Type.Array(Type.Object({ name: text, label: text }, closed), { minItems: 1 })
const port = Type.Integer({ minimum: 0, maximum: 65535 })
const present = ['value', 'value_present?']

interface Kind {
  /** What follows a reference to such a property. */
  accessors: string[]
  /** What `default` may be, where there may be one. */
  default?: TSchema
  /** Attributes of its own. */
  own?: Record<string, TSchema>
  /** Ops Manager makes a value where an operator cannot enter one. */
  generated?: true
}

const simple = (standard: TSchema, ...more: string[]): Kind => ({ accessors: [...present, ...more], default: standard })

/** Types of properties, as «Property and template references» of the tile developer guide lists them. */
export const kinds: Record<string, Kind> = {
  boolean: simple(Type.Boolean()),
  ca_certificate: simple(text),
  disk_type_dropdown: {
    accessors: present,
    own: {
      resource_definitions: Type.Optional(
        Type.Array(Type.Object({ name: Type.Literal('persistent_disk'), default: Type.Integer() }, closed)),
      ),
    },
  },
  domain: simple(text),
  dropdown_select: { ...simple(text), own: { options: Options } },
  email: simple(Type.String({ pattern: '@' })),
  http_url: simple(Type.String({ pattern: '^https?://' })),
  integer: { ...simple(Type.Integer()), own: { constraints: Type.Optional(IntegerConstraints) } },
  ip_address: simple(text),
  ip_ranges: simple(text, 'parsed_ip_ranges'),
  ldap_url: simple(Type.String({ pattern: '^ldaps?://' })),
  multi_select_options: { ...simple(Type.Array(text)), own: { options: Options } },
  network_address: simple(text),
  network_address_list: simple(text, 'parsed_network_addresses'),
  port: simple(port),
  rsa_cert_credentials: {
    accessors: ['cert_pem', 'private_key_pem', 'cert_and_private_key_pems', 'public_key_pem', 'value_present?'],
    default: Type.Object({ domains: Type.Array(text, { minItems: 1 }) }, closed),
    own: { constraints: Type.Optional(Type.Object({ allow_encrypted_key: Type.Boolean() }, closed)) },
    generated: true,
  },
  rsa_pkey_credentials: {
    accessors: ['private_key_pem', 'public_key_pem', 'public_key_openssh', 'public_key_fingerprint', 'value_present?'],
    generated: true,
  },
  salted_credentials: { accessors: ['identity', 'password', 'salt', 'sha512_hashed_password', 'value_present?'], generated: true },
  secret: { accessors: present, own: { constraints: Type.Optional(StringConstraints) }, generated: true },
  service_network_az_multi_select: { accessors: present },
  service_network_az_single_select: { accessors: present },
  simple_credentials: { accessors: ['identity', 'password', 'value_present?'], generated: true },
  smtp_authentication: simple(Type.Enum(['plain', 'login', 'cram_md5'])),
  stemcell_selector: { accessors: ['os', 'version', 'value'], default: text },
  string: { ...simple(text), own: { constraints: Type.Optional(StringConstraints) } },
  string_list: simple(text, 'parsed_strings', 'parsed_regex'),
  text: simple(text),
  uuid: { accessors: present, generated: true },
  vm_type_dropdown: { accessors: present },
  wildcard_domain: simple(text, 'to_wildcard'),
}

const blueprint = (type: string, { default: standard, own = {} }: Kind): TSchema =>
  Type.Object(
    {
      name,
      type: Type.Literal(type),
      configurable: Type.Optional(Type.Boolean()),
      optional: Type.Optional(Type.Boolean()),
      freeze_on_deploy: Type.Optional(Type.Boolean()),
      ...(standard && { default: Type.Optional(standard) }),
      ...own,
    },
    closed,
  )

/** One of `schemas`, told apart by `type`, so that faults name the field and not every type. */
const byType = (schemas: TSchema[]): TSchema =>
  Type.Unsafe({ type: 'object', required: ['type'], discriminator: { propertyName: 'type' }, oneOf: schemas })

const simpleBlueprints = Object.entries(kinds).map(([type, kind]) => blueprint(type, kind))
const SimpleBlueprint = byType(simpleBlueprints)

const collection = blueprint('collection', {
  accessors: [],
  default: Type.Array(Type.Record(Type.String(), Type.Unknown())),
  own: { property_blueprints: Type.Array(SimpleBlueprint, { minItems: 1 }), named_manifests: Type.Optional(Type.Array(NamedManifest)) },
})

const selector = blueprint('selector', {
  accessors: [],
  default: text,
  own: {
    option_templates: Type.Array(
      Type.Object(
        {
          name,
          select_value: text,
          property_blueprints: Type.Optional(Type.Array(SimpleBlueprint)),
          named_manifests: Type.Optional(Type.Array(NamedManifest)),
        },
        closed,
      ),
      { minItems: 2 },
    ),
  },
})

/** A property of the product or of a job. */
export const Blueprint = byType([...simpleBlueprints, collection, selector])
