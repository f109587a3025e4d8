import { readEnv } from '../../src/config/env.ts';
import { readCompose } from './compose.ts';
import { readText } from './repository.ts';

/** The directives of deploy/nginx.conf, comments left out: `proxy_buffering` → `['off']`. */
function directives(): Map<string, string[]> {
  const text = readText('deploy/nginx.conf').replace(/^\s*#.*$/gm, '');
  const found = new Map<string, string[]>();
  for (const [, name = '', value = ''] of text.matchAll(
    /(?:^|[;{}])\s*([a-z_0-9]+)((?:\s+(?:'[^']*'|[^;{}'\s]+))*)\s*(?=[;{])/g,
  )) {
    found.set(name, [...(found.get(name) ?? []), value.trim()]);
  }
  return found;
}

describe('the load balancer', () => {
  const nginx = directives();
  const { balancer } = readCompose().services;

  it('buffers nothing in either direction and changes no byte', () => {
    expect(nginx.get('proxy_buffering')).toEqual(['off']);
    expect(nginx.get('proxy_request_buffering')).toEqual(['off']);
    expect(nginx.get('proxy_cache')).toEqual(['off']);
    expect(nginx.get('gzip')).toEqual(['off']);
    expect(nginx.get('proxy_http_version')).toEqual(['1.1']);
  });

  it('logs paths and never a query string, for keys may stand there', () => {
    expect(nginx.get('access_log')).toEqual(['/dev/stdout pathonly', 'off']);
    const [format = ''] = nginx.get('log_format') ?? [];
    expect(format).toContain('"path":"$uri"');
    expect(format).not.toMatch(/\$(request|request_uri|args|query_string|is_args|arg_\w+|http_\w+)\b(?!_)/);
    // "error" and below would write whole request lines.
    expect(nginx.get('error_log')).toEqual(['/dev/stderr crit']);
  });

  it('takes its TLS certificate from the folder that compose mounts', () => {
    expect(nginx.get('listen')).toContain('8443 ssl');
    expect(nginx.get('ssl_certificate')).toEqual(['/etc/nginx/certs/tls.crt']);
    expect(nginx.get('ssl_certificate_key')).toEqual(['/etc/nginx/certs/tls.key']);
    expect(nginx.get('ssl_protocols')).toEqual(['TLSv1.2 TLSv1.3']);
    expect(balancer.ports).toEqual(['${RELAY_HTTPS_PORT:-443}:8443']);
    expect(balancer.volumes).toEqual([
      './deploy/nginx.conf:/etc/nginx/nginx.conf:ro',
      '${RELAY_CERTS:-./certs}:/etc/nginx/certs:ro',
    ]);
  });

  it('lets every body pass that the relay would take, so that the relay is who refuses', () => {
    const [, mebibytes] = /^(\d+)m$/.exec(nginx.get('client_max_body_size')?.[0] ?? '') ?? [];
    expect(Number(mebibytes) * 1024 * 1024).toBeGreaterThan(readEnv({}).maxBodyBytes);
  });

  it('waits longer for an answer than the relay itself does', () => {
    const [, seconds] = /^(\d+)s$/.exec(nginx.get('proxy_read_timeout')?.[0] ?? '') ?? [];
    expect(Number(seconds) * 1000).toBeGreaterThan(readEnv({}).clocks.totalMs);
  });

  it('reaches the relay by the name and the port that compose gives it, and hides its metrics', () => {
    expect(nginx.get('server')).toContain(`relay:${readEnv({}).port} resolve`);
    expect(nginx.get('proxy_pass')).toEqual(['http://relay']);
    expect(readText('deploy/nginx.conf')).toContain('location = /metrics { return 404; }');
  });

  it('has the address that its health check asks for', () => {
    expect(balancer.healthcheck?.test).toContain('http://127.0.0.1:8080/balancer');
    expect(nginx.get('listen')).toContain('127.0.0.1:8080');
    expect(nginx.get('location')).toContain('= /balancer');
  });
});
