interface Parameter {
  name: string
  required?: boolean
  schema?: { default?: unknown }
}

interface Operation {
  parameters?: Parameter[]
  responses: Record<string, object>
}

interface Description {
  paths?: Record<string, Record<string, Operation>>
  components?: { schemas?: Record<string, object>; securitySchemes?: Record<string, object> }
  security?: object[]
}

const fault = {
  code: { type: 'string', description: 'Stable' },
  message: { type: 'string', description: 'What is wrong and what to do' },
  path: { type: 'string', description: 'The field that is wrong, where it is one' },
}
const Problem = {
  type: 'object',
  required: ['code', 'message'],
  properties: {
    ...fault,
    problems: {
      type: 'array',
      description: 'Where several faults can be told at once: each of them',
      items: {
        type: 'object',
        required: ['code', 'message'],
        properties: { ...fault, document: { type: 'integer', description: 'Position among the documents that were sent, from 0' } },
      },
    },
  },
}
const refusal = { description: 'What is wrong', content: { 'application/json': { schema: { $ref: '#/components/schemas/Problem' } } } }

/**
 * OpenAPI (3.1) as clients are made from it: what has a default may be left out, refusals have a shape, a wildcard of the path has a name,
 * and how one logs in is said.
 */
export function complete(description: Description, { tokens }: { tokens: boolean }): Description {
  const { components, paths = {} } = description
  return {
    ...description,
    paths: Object.fromEntries(
      Object.entries(paths).map(([path, operations]) => [
        path.replace('{*}', '{rest}'),
        Object.fromEntries(Object.entries(operations).map(([method, operation]) => [method, completeOperation(operation)])),
      ]),
    ),
    components: {
      ...components,
      schemas: { ...components?.schemas, Problem },
      ...(tokens && {
        securitySchemes: {
          uaa: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'Access token of the UAA that GET /v1/info names' },
        },
      }),
    },
    ...(tokens && { security: [{ uaa: [] }] }),
  }
}

function completeOperation(operation: Operation): Operation {
  const parameters = operation.parameters?.map((parameter) => ({
    ...parameter,
    ...(parameter.name === '*' && { name: 'rest' }),
    ...(parameter.schema?.default !== undefined && { required: false }),
  }))
  return { ...operation, ...(parameters && { parameters }), responses: { ...operation.responses, default: refusal } }
}
