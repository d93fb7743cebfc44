/** The page's one style sheet: light and dark, phone first. Eight colours that most eyes tell apart. */
export const PAGE_STYLE = `
:root{color-scheme:light dark;--bg:#fbfaf8;--card:#fff;--ink:#1d2126;--soft:#5c6670;--line:#dcdfe3;--good:#12713f;--bad:#b3261e;
--p0:#1769aa;--p1:#d1582b;--p2:#2a8f5f;--p3:#8d4fb0;--p4:#b8860b;--p5:#c2386f;--p6:#3a8f9c;--p7:#6b6f76;--p9:#a9b0b8}
@media (prefers-color-scheme:dark){:root{--bg:#14171a;--card:#1c2126;--ink:#e9ecef;--soft:#9aa5af;--line:#343b42;--good:#5fce93;
--bad:#ff8a80;--p0:#5cb2f2;--p1:#ff9469;--p2:#5fce93;--p3:#c79be6;--p4:#e3b84d;--p5:#f284ad;--p6:#74cad6;--p7:#b3b9c0;--p9:#565f68}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;
font-variant-numeric:tabular-nums}
header,main{max-width:1120px;margin:0 auto;padding:0 16px}
header{padding-top:28px}
h1{font-size:1.6rem;line-height:1.2;margin:0 0 6px}
h2{font-size:1.2rem;margin:36px 0 8px}
h3{font-size:1.05rem;margin:0 0 8px}
header p,.note,figcaption,small{color:var(--soft)}
header p{margin:0 0 8px}
.note{margin:0 0 12px;font-size:.9rem}
.names{display:flex;flex-wrap:wrap;gap:4px 18px}
.names span{color:var(--ink);white-space:nowrap}
i{display:inline-block;width:.7em;height:.7em;border-radius:50%;margin-right:.45em}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(250px,1fr));gap:14px;margin-top:16px}
article{background:var(--card);border:1px solid var(--line);border-top:4px solid;border-radius:8px;padding:14px 16px}
dl{margin:0;display:grid;gap:8px}
dt{font-size:.85rem;color:var(--soft)}
dd{margin:0}
dd b{display:block;font-size:1.15rem;line-height:1.3}
small{font-size:.85rem}
.better{color:var(--good)}
.worse{color:var(--bad)}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,330px),1fr));gap:14px}
figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px;min-width:0}
figcaption{font-size:.9rem;margin-bottom:6px}
figure svg{display:block;width:100%;max-width:560px;height:auto;margin:0 auto}
svg text{font-size:10.5px;fill:var(--soft)}
.mid{text-anchor:middle}
.end{text-anchor:end}
.grid{stroke:var(--line);stroke-width:1;fill:none}
.line{fill:none;stroke-width:2;stroke-linejoin:round}
.series path{fill:none;stroke-width:1.5}
.series .thin{stroke-width:1.2;opacity:.55}
.map rect{stroke:var(--card);stroke-width:.5}
.legend{display:flex;align-items:center;gap:8px;margin:8px 0 0;font-size:.85rem;color:var(--soft)}
.bar{flex:1;height:8px;border-radius:4px}
table{border-collapse:collapse;width:100%;font-size:.95rem}
th,td{text-align:right;padding:4px 8px;vertical-align:middle}
th:first-child,td:first-child{text-align:left;padding-left:0}
tbody th{font-weight:400}
thead th{color:var(--soft);font-weight:500;font-size:.85rem;border-bottom:1px solid var(--line)}
.figures .title th{padding-top:16px;font-weight:600;border-bottom:1px solid var(--line)}
.figures td{white-space:nowrap}
.figures .title th{text-align:left}
.title small{font-weight:400;margin-left:.5em}
.mark{width:120px;height:16px;display:block}
.mark path,.mark circle{stroke:var(--soft);stroke-width:1.6;fill:var(--soft)}
.mark .zero{stroke:var(--line)}
.mark.better path:not(.zero),.mark.better circle{stroke:var(--good);fill:var(--good)}
.mark.worse path:not(.zero),.mark.worse circle{stroke:var(--bad);fill:var(--bad)}
.wide{width:140px}
.scroll{overflow-x:auto}
.cells td,.cells th{white-space:nowrap}
summary{cursor:pointer;margin:14px 0 8px}
ul{padding-left:1.2em;margin:0 0 48px}
.title small{white-space:nowrap}
@media (max-width:640px){.wide,.figures thead{display:none}table{font-size:.9rem}
.figures,.figures tbody{display:block}.figures tr{display:grid;grid-template-columns:1fr auto}
.figures tr:not(.title){padding:3px 0}.figures th,.figures td{padding:0}.figures .title th{padding:16px 0 2px;text-align:left}
.figures td:nth-child(3){grid-column:2;font-size:.85rem}.figures td:empty{display:none}}
@media print{body{background:#fff}figure,article{break-inside:avoid}}
`;
