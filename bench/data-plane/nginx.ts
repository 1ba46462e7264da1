import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../../test/support/program.ts'
import { Skipped } from '../part.ts'
import { program, type StartProxy } from './proxy.ts'

/**
 * nginx as Debian has it, two workers, its access log and the headers to the app on (not traces', which it does not know), TLS with the
 * instance's name checked and kept connections behind.
 */
export const nginx: StartProxy = async ({ instances: [{ address, guid }], port, files, folder }, host) => {
  if (spawnSync('nginx', ['-v']).error) throw new Skipped('nginx is not installed (apt-get install nginx-light)')
  const [http, https] = [await freePort(), await freePort()]
  const { client, server } = files
  const file = join(folder, 'nginx.conf')
  writeFileSync(
    file,
    `daemon off;
pid ${join(folder, 'nginx.pid')};
error_log stderr error;
worker_processes 2;
events { worker_connections 4096; }
http {
  access_log ${join(folder, 'nginx.access.log')} combined buffer=64k flush=1s;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  keepalive_requests 1000000000;
  upstream instance { server ${address}:${port}; keepalive 256; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${http};
    listen 127.0.0.1:${https} ssl http2;
    ssl_certificate ${server.certificate};
    ssl_certificate_key ${server.key};
    location / {
      proxy_pass https://instance;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-CF-ApplicationID app-guid;
      proxy_set_header X-CF-InstanceID ${guid};
      proxy_set_header X-CF-InstanceIndex 0;
      proxy_set_header X-Vcap-Request-Id $request_id;
      proxy_set_header X-Request-Start $msec;
      add_header X-Vcap-Request-Id $request_id;
      proxy_ssl_certificate ${client.certificate};
      proxy_ssl_certificate_key ${client.key};
      proxy_ssl_trusted_certificate ${files.ca};
      proxy_ssl_verify on;
      proxy_ssl_server_name on;
      proxy_ssl_name ${guid};
    }
  }
}
`,
  )
  return { name: 'nginx', http, https, host, ...program('nginx', ['-p', folder, '-c', file]) }
}
