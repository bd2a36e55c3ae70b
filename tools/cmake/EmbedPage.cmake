# cmake -DOUT=file.cc -DTEMPLATE=page.html -DWEB=folder -P EmbedPage.cmake: a page, with uPlot in it where the folder has it, as
# a string for tools/load/html_report.cc.
file(READ ${TEMPLATE} page)
set(script "")
set(style "")
if(EXISTS ${WEB}/uPlot.iife.min.js)
  file(READ ${WEB}/uPlot.iife.min.js script)
  file(READ ${WEB}/uPlot.min.css style)
  file(READ ${WEB}/LICENSE license)
  string(PREPEND script "/*\n${license}*/\n")
endif()
string(REPLACE "/*@UPLOT_JS@*/" "${script}" page "${page}")
string(REPLACE "/*@UPLOT_CSS@*/" "${style}" page "${page}")
file(WRITE ${OUT}
  "#include \"tools/load/html_report.h\"\n\nnamespace sluice::load {\n\n"
  "const std::string_view kReportPage = R\"sluice(${page})sluice\";\n\n}  // namespace sluice::load\n")
