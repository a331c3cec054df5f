/** The page's style, dark and light. Nothing in it is fetched. */
export const STYLE = `
:root{color-scheme:light dark;--bg:#fcfcfb;--fg:#1f2328;--dim:#656d76;--line:#e4e4e1;--card:#f3f3f0;--user:#eaf2fd;--user-line:#c9dff7;--accent:#0b62c4;--warn:#a3311f;--code:#f4f4f1;--kw:#9a2393;--str:#0a6b2d;--num:#9a5300;--com:#6a737d;--fn:#0b5cb8;--type:#7a4a00}
@media (prefers-color-scheme:dark){:root{--bg:#16181b;--fg:#dfe3e8;--dim:#949ca6;--line:#2c3036;--card:#1e2126;--user:#1b2736;--user-line:#2c415a;--accent:#78b0f5;--warn:#f19a86;--code:#1c1f24;--kw:#d79bf0;--str:#8fd19e;--num:#e8b06a;--com:#848d97;--fn:#86bbff;--type:#e6c07b}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--bg);color:var(--fg);font:16px/1.6 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",Ubuntu,sans-serif;overflow-wrap:anywhere}
main{max-width:50rem;margin:0 auto;padding:2.5rem 1.25rem 4rem}
h1{font-size:1.7rem;line-height:1.25;margin:0 0 1rem;letter-spacing:-.01em}
a{color:var(--accent);text-underline-offset:.15em;text-decoration-thickness:1px}
nav{border:1px solid var(--line);border-radius:.6rem;padding:1rem 1.25rem;margin-bottom:3rem}
nav h2{font-size:.95rem;margin:0 0 .5rem}
nav ol{margin:0;padding-left:1.5rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1.25rem;margin:0 0 2rem;padding:0 0 1.5rem;border-bottom:1px solid var(--line);font-size:.875rem}
dt{color:var(--dim)}
dd{margin:0}
article+article{margin-top:4rem;padding-top:3rem;border-top:3px solid var(--line)}
.m{margin:0 0 1.75rem;content-visibility:auto;contain-intrinsic-size:auto 8rem}
.w{display:flex;flex-wrap:wrap;gap:0 .6rem;align-items:baseline;margin-bottom:.3rem;font-size:.8rem;color:var(--dim)}
.w b{color:var(--fg);font-size:.85rem;text-transform:capitalize}
.w a{color:inherit;text-decoration:none}
.w a:hover{text-decoration:underline}
.w i{font-style:normal;font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}
.w em{color:var(--warn);font-style:normal}
.user>.b{background:var(--user);border:1px solid var(--user-line);border-radius:.75rem;padding:.7rem 1rem}
.user>.w b{color:var(--accent)}
.tool>.b,.system>.b,.other>.b{border-left:3px solid var(--line);padding-left:.9rem}
.system>.b,.other>.b{color:var(--dim)}
.b>:first-child{margin-top:0}
.b>:last-child{margin-bottom:0}
.b p,.b ul,.b ol,.b blockquote,.b table,.b pre,.b details{margin:.75rem 0}
.b h1,.b h2,.b h3,.b h4,.b h5,.b h6{font-size:1.05rem;line-height:1.35;margin:1.25rem 0 .5rem}
.b h1{font-size:1.25rem}
.b h2{font-size:1.15rem}
.b ul,.b ol{padding-left:1.6rem}
.b li>p,.b li>ul,.b li>ol{margin:.3rem 0}
.b blockquote{margin-left:0;padding-left:1rem;border-left:3px solid var(--line);color:var(--dim)}
.b hr{border:0;border-top:1px solid var(--line);margin:1.5rem 0}
.b img{max-width:100%;height:auto;border-radius:.4rem}
.t{overflow-x:auto}
table{border-collapse:collapse;font-size:.9rem}
th,td{border:1px solid var(--line);padding:.3rem .65rem;text-align:left;vertical-align:top;overflow-wrap:normal}
th{background:var(--card)}
code,pre{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.85em;tab-size:4}
code{background:var(--card);border-radius:.3rem;padding:.12em .35em}
.user :not(pre)>code{background:color-mix(in srgb,var(--fg) 8%,transparent)}
pre{background:var(--code);border:1px solid var(--line);border-radius:.5rem;padding:.75rem .9rem;overflow:auto;max-height:40rem;line-height:1.5;overflow-wrap:normal}
pre code{background:none;padding:0;font-size:1em}
pre.x{white-space:pre-wrap;overflow-wrap:anywhere}
details{border:1px solid var(--line);border-radius:.5rem;background:var(--card);font-size:.9rem}
summary{cursor:pointer;padding:.4rem .8rem;color:var(--dim);overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
summary b{color:var(--fg);font-weight:600}
details pre{margin:0;border:0;border-top:1px solid var(--line);border-radius:0 0 .5rem .5rem}
.f{display:inline-block;font-size:.875rem;border:1px solid var(--line);border-radius:.4rem;padding:.15rem .6rem;color:var(--dim)}
.n{color:var(--dim);font-size:.875rem;font-style:italic}
footer{margin-top:3rem;padding-top:1rem;border-top:1px solid var(--line);color:var(--dim);font-size:.8rem}
.hljs-comment,.hljs-quote,.hljs-meta{color:var(--com);font-style:italic}
.hljs-keyword,.hljs-selector-tag,.hljs-literal,.hljs-doctag,.hljs-operator .hljs-keyword{color:var(--kw)}
.hljs-string,.hljs-regexp,.hljs-addition,.hljs-char,.hljs-template-tag{color:var(--str)}
.hljs-number,.hljs-symbol,.hljs-bullet,.hljs-link{color:var(--num)}
.hljs-title,.hljs-section,.hljs-name,.hljs-selector-id{color:var(--fn)}
.hljs-type,.hljs-built_in,.hljs-attr,.hljs-attribute,.hljs-variable,.hljs-template-variable,.hljs-selector-class,.hljs-property{color:var(--type)}
.hljs-deletion{color:var(--warn)}
.hljs-emphasis{font-style:italic}
.hljs-strong{font-weight:700}
@media (max-width:34rem){main{padding:1.5rem 1rem 3rem}h1{font-size:1.4rem}dl{gap:.1rem .9rem}pre{padding:.6rem .7rem}}
@media print{body{background:#fff}.m{content-visibility:visible}pre{max-height:none;white-space:pre-wrap}details:not([open])>summary{display:none}}
`;
