# Renders jobs as BOSH's director does. Standard input: a JSON array of {job, properties, links, spec}, where `job` is the job's
# folder. Standard output: for each {files: {path: text}, errors: [sentence]}; the path `monit` is the job's monit file.
# Follows the director's evaluation context: defaults filled in, undeclared properties unseen, links by declaration.
require 'erb'
require 'json'
require 'ostruct'
require 'yaml'

class Missing < StandardError; end

# p and if_p, of a job's own properties and of a link's.
module Properties
  def p(names, *default)
    found = Array(names).lazy.map { |name| property(name) }.find { |value| !value.nil? }
    return found unless found.nil?
    return default.first unless default.empty?
    raise Missing, "Can't find property '#{Array(names)}'"
  end

  def if_p(*names)
    values = names.map { |name| property(name) }
    return Unmet.new(self) if values.any?(&:nil?)
    yield(*values)
    Met.new
  end

  def property(name)
    name.split('.').reduce(@properties) { |value, key| value.nil? ? nil : value[key] }
  end
end

# What follows a condition that did not hold.
Unmet = Struct.new(:context) do
  def else
    yield
  end

  def else_if_p(*names, &block)
    context.if_p(*names, &block)
  end

  def else_if_link(name, &block)
    context.if_link(name, &block)
  end
end

# What follows one that did: nothing.
class Met
  def else; end

  def else_if_p(*)
    self
  end

  def else_if_link(*)
    self
  end
end

class Link
  include Properties
  attr_reader :instances, :address

  def initialize(link)
    @properties = link['properties']
    @address = link['address']
    @instances = link['instances'].map { |instance| OpenStruct.new(instance) }
  end
end

class Context
  include Properties
  attr_reader :spec

  def initialize(properties, links, spec)
    @properties = properties
    @links = links
    @spec = JSON.parse(spec.to_json, object_class: OpenStruct)
  end

  def link(name)
    raise Missing, "Can't find link '#{name}'" unless @links[name]
    Link.new(@links[name])
  end

  def if_link(name)
    return Unmet.new(self) unless @links[name]
    yield link(name)
    Met.new
  end

  def render(file)
    template = ERB.new(File.read(file), trim_mode: '-')
    template.filename = file
    template.result(binding)
  end
end

def declared(names, given)
  names.each_with_object({}) do |(name, description), properties|
    *path, last = name.split('.')
    value = name.split('.').reduce(given) do |at, key|
      raise Missing, "Property '#{name}' expects a hash, but received '#{at.class}'" unless at.nil? || at.is_a?(Hash)
      at.nil? ? nil : at[key]
    end
    path.reduce(properties) { |at, key| at[key] ||= {} }[last] = value.nil? ? description['default'] : value
  end
end

def consumed(declarations, given)
  unknown = given.keys - declarations.map { |link| link['name'] }
  raise Missing, "Link '#{unknown.first}' is not consumed" unless unknown.empty?
  declarations.each { |link| raise Missing, "Link '#{link['name']}' is missing" unless link['optional'] || given[link['name']] }
  given
end

def render(request)
  job = request['job']
  description = YAML.safe_load(File.read(File.join(job, 'spec')))
  context = Context.new(declared(description['properties'] || {}, request['properties']), consumed(description['consumes'] || [], request['links']), request['spec'])
  sources = description['templates'].map { |template, path| [path, File.join(job, 'templates', template)] }
  files, errors = {}, []
  [['monit', File.join(job, 'monit')], *sources].each do |path, source|
    files[path] = context.render(source)
  rescue StandardError, SyntaxError => error
    line = (error.backtrace || []).grep(/\A#{Regexp.escape(source)}:/).first.to_s[/:(\d+)/, 1]
    errors << "Error filling in template '#{File.basename(source)}' (line #{line}: #{error.message})"
  end
  { files: files, errors: errors }
rescue Missing => error
  { files: {}, errors: [error.message] }
end

puts JSON.generate(JSON.parse($stdin.read).map { |request| render(request) })
