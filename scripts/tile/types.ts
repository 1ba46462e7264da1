/** What tiles are made of, as far as the checks and the build read it. The schema in schema.ts says what it may be. */
export interface Blueprint {
  name: string
  type: string
  configurable?: boolean
  optional?: boolean
  default?: unknown
  constraints?: unknown
  options?: { name: string; label: string }[]
  property_blueprints?: Blueprint[]
  named_manifests?: NamedManifest[]
  option_templates?: { name: string; select_value: string; property_blueprints?: Blueprint[]; named_manifests?: NamedManifest[] }[]
}

export interface NamedManifest {
  name: string
  manifest: string
}

export interface Input {
  reference: string
  property_inputs?: Input[]
  selector_property_inputs?: Input[]
}

export interface Constraints {
  min?: number
  max?: number
}

export interface JobType {
  name: string
  errand?: boolean
  templates: { name: string; release: string; manifest?: string; consumes?: string; provides?: string }[]
  instance_definition: { configurable: boolean; default: number; constraints?: Constraints; zero_if?: { property_reference: string } }
  resource_definitions: { name: string; configurable: boolean; default: number; constraints?: Constraints }[]
  property_blueprints?: Blueprint[]
  manifest?: string
}

export interface Variable {
  name: string
  type: string
  options?: { ca?: string; is_ca?: boolean; common_name?: string; alternative_names?: string[] }
}

export interface Metadata {
  name: string
  product_version: string
  releases: { name: string; file: string; version: string }[]
  requires_product_versions?: { name: string }[]
  variables?: Variable[]
  post_deploy_errands?: { name: string; colocated?: boolean }[]
  pre_delete_errands?: { name: string; colocated?: boolean }[]
  install_time_verifiers?: { properties?: Record<string, unknown> }[]
  form_types: { name: string; property_inputs: Input[]; verifiers?: { properties?: Record<string, unknown> }[] }[]
  property_blueprints?: Blueprint[]
  job_types: JobType[]
  icon_image: string
}
